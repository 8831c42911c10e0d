//! What a gateway is made of, and how that becomes what workers use. It starts nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use pgmoor::tls::{ServerTls, TlsError};

use crate::endpoint::Endpoint;
use crate::login::{UserError, Users};
use crate::pool::{Database, Health, Suspects};
use crate::preparation::Preparation;
use crate::settings::{self, DatabaseSettings, GatewaySettings};
use crate::state_dir::{self, StateDirError};
use crate::traffic::Standing;
use crate::worker::{Databases, State};

/// The user that there is when the configuration names none.
pub const DEFAULT_USER: &str = "app";
/// Everything a gateway is made of.
#[derive(Debug)]
pub struct Configuration {
    /// The gateway's own section.
    pub gateway: GatewaySettings,
    /// The databases by the name that clients ask for.
    pub databases: settings::Databases,
    /// The endpoints by name; one that a database names by its address goes by
    /// [`endpoint_name`].
    pub endpoints: BTreeMap<String, Arc<Endpoint>>,
    /// Those of the databases that let no client in before [`Traffic::prepared`](crate::Traffic::prepared)
    /// is called; one that a reload finds served already stays as it is.
    pub unprepared: BTreeSet<String>,
}

/// The name of the endpoint that serves a database.
pub fn endpoint_name(database: &str, settings: &DatabaseSettings) -> String {
    settings
        .endpoint
        .clone()
        .unwrap_or_else(|| format!("databases.{database}.url"))
}

/// The gateway cannot be started, or not with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS towards clients.
    #[error("cannot use the gateway's TLS settings")]
    Tls(#[source] TlsError),
    /// The users file.
    #[error("cannot read users file {path}")]
    ReadUsers {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A user's entry.
    #[error("cannot use the gateway's users")]
    Users(#[source] UserError),
    /// The state directory.
    #[error("cannot use the state directory")]
    StateDir(#[source] StateDirError),
    /// A database whose endpoint is not there.
    #[error("database \"{database}\" has no endpoint \"{endpoint}\"")]
    NoEndpoint {
        /// Which database.
        database: String,
        /// The endpoint that it names.
        endpoint: String,
    },
    /// A takeover that would serve a database from two endpoints.
    #[error(
        "database \"{database}\" is served by endpoint \"{endpoint}\", and this configuration says \"{configured}\""
    )]
    Elsewhere {
        /// Which database.
        database: String,
        /// Where the running process serves it from.
        endpoint: String,
        /// Where this one would.
        configured: String,
    },
    /// A worker's thread or event loop.
    #[error("cannot start worker {index}")]
    Worker {
        /// Which worker, from 0.
        index: usize,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tls(error) => error.hint(),
            Self::ReadUsers { path, .. } => Some(format!(
                "see gateway.auth.users_file; `ls -l {}`",
                path.display()
            )),
            Self::Users(_) => {
                Some("store a password in clear text or as a SCRAM-SHA-256 verifier".into())
            }
            Self::StateDir(error) => error.hint(),
            Self::Elsewhere { endpoint, .. } => Some(format!(
                "clients of both would write to two servers: name \"{endpoint}\" in the configuration, or have the running pgmoor change over first (pgmoor reload)"
            )),
            Self::NoEndpoint { .. } | Self::Worker { .. } => None,
        }
    }
}

/// From a configuration to what workers use. Databases and endpoints that were there before go on,
/// with their connections.
pub(crate) fn build(
    configuration: Configuration,
    before: Option<&State>,
) -> Result<State, StartError> {
    let Configuration {
        gateway,
        databases,
        endpoints,
        unprepared,
    } = configuration;
    let endpoints: HashMap<String, Arc<Endpoint>> = endpoints
        .into_iter()
        .map(|(name, endpoint)| {
            let same = before
                .and_then(|before| before.endpoints.get(&name))
                .filter(|known| known.is_same_as(&endpoint));
            let endpoint = same.cloned().unwrap_or(endpoint);
            (name, endpoint)
        })
        .collect();
    let mut served = Vec::new();
    for (name, settings) in databases {
        let configured = endpoint_name(&name, &settings);
        let Some(endpoint) = endpoints.get(&configured).cloned() else {
            return Err(StartError::NoEndpoint {
                database: name,
                endpoint: configured,
            });
        };
        served.push((name, settings, configured, endpoint));
    }
    let tls = server_tls(&gateway, before)?;
    let users = users(&gateway)?;
    // From here on nothing fails: what clients use is changed as a whole or not at all.
    let mut retired = before.map_or_else(Databases::new, |before| {
        let all = before.retired.iter().chain(&before.databases);
        all.map(|(name, database)| (name.clone(), database.clone()))
            .collect()
    });
    let mut built = Databases::new();
    for (name, settings, configured, endpoint) in served {
        // One that was taken away and comes back is the same to the clients that it still has.
        let database = match retired.remove(name.as_str()) {
            Some(known) => {
                known.retired.store(false, Ordering::SeqCst);
                update(&known, &settings, configured, &endpoint, &endpoints);
                known
            }
            None => {
                let unprepared = unprepared.contains(&name);
                let database = new_database(&name, settings, configured, endpoint, unprepared);
                Arc::new(database)
            }
        };
        built.insert(name.as_str().into(), database);
    }
    for database in retired.values() {
        database.retired.store(true, Ordering::SeqCst);
    }
    Ok(State {
        tls,
        users,
        settings: gateway,
        databases: built,
        retired,
        retired_endpoints: retired_endpoints(before, &endpoints),
        endpoints,
    })
}

/// Those of before that are not served from any more, as long as they have connections. One that
/// goes now may get one more by a client that was under way.
fn retired_endpoints(
    before: Option<&State>,
    endpoints: &HashMap<String, Arc<Endpoint>>,
) -> Vec<Arc<Endpoint>> {
    let Some(before) = before else {
        return Vec::new();
    };
    let earlier = before.retired_endpoints.iter();
    let now = before.endpoints.values().filter(|endpoint| {
        let same = endpoints.get(&endpoint.name);
        !same.is_some_and(|same| Arc::ptr_eq(same, endpoint))
    });
    earlier
        .filter(|endpoint| endpoint.open() > 0)
        .chain(now)
        .cloned()
        .collect()
}

/// What a predecessor's database was switched to stays; as with a reload, only a configuration that
/// names another endpoint than before changes that.
pub(crate) fn inherit(state: &State, name: &str, standing: &Standing) -> Result<(), StartError> {
    let Some(database) = state.databases.get(name) else {
        return Ok(());
    };
    let configured = database.configured.load();
    let is_same = **configured == standing.configured;
    let live = state.endpoints.get(&standing.endpoint);
    match live.filter(|_| is_same || **configured == standing.endpoint) {
        Some(endpoint) => database.endpoint.store(endpoint.clone()),
        None => {
            return Err(StartError::Elsewhere {
                database: name.to_owned(),
                endpoint: standing.endpoint.clone(),
                configured: configured.as_ref().clone(),
            });
        }
    }
    database.disabled.store(standing.disabled, Ordering::SeqCst);
    Ok(())
}

fn new_database(
    name: &str,
    settings: DatabaseSettings,
    configured: String,
    endpoint: Arc<Endpoint>,
    unprepared: bool,
) -> Database {
    Database {
        name: name.into(),
        configured: ArcSwap::from_pointee(configured),
        dbname: ArcSwap::from_pointee(settings.dbname),
        settings: ArcSwap::from_pointee(settings.pool),
        endpoint: ArcSwap::new(endpoint),
        paused: AtomicBool::new(false),
        disabled: AtomicBool::new(false),
        preparation: Preparation::new(unprepared),
        retired: AtomicBool::new(false),
        health: Health::default(),
        generation: AtomicU64::new(0),
        kills: AtomicU64::new(0),
        suspects: Suspects::default(),
    }
}

/// New settings for a database that clients use: server connections to another place are replaced
/// as they come back.
///
/// A database that was switched stays where it is until its configuration names another endpoint
/// than before: a reload must never take clients back to the server that they were moved from.
fn update(
    known: &Database,
    settings: &DatabaseSettings,
    configured: String,
    endpoint: &Arc<Endpoint>,
    endpoints: &HashMap<String, Arc<Endpoint>>,
) {
    let live = known.endpoint.load_full();
    let endpoint = if **known.configured.load() == configured {
        endpoints.get(&live.name).unwrap_or(endpoint)
    } else {
        endpoint
    };
    let moved = !Arc::ptr_eq(&live, endpoint) || **known.dbname.load() != settings.dbname;
    known.settings.store(Arc::new(settings.pool.clone()));
    known.configured.store(Arc::new(configured));
    if moved {
        known.dbname.store(Arc::new(settings.dbname.clone()));
        known.endpoint.store(endpoint.clone());
        known.generation.fetch_add(1, Ordering::SeqCst);
    }
}

fn server_tls(
    gateway: &GatewaySettings,
    before: Option<&State>,
) -> Result<Option<Arc<ServerTls>>, StartError> {
    let Some(settings) = gateway.tls.server() else {
        return Ok(None);
    };
    let known = before.and_then(|before| before.tls.as_ref());
    let tls = match known.filter(|known| *known.settings() == settings) {
        // Where no file has changed, clients resume their TLS sessions as before.
        Some(known) => known.reload().map(|_| known.clone()),
        None => ServerTls::new(settings).map(Arc::new),
    };
    tls.map(Some).map_err(StartError::Tls)
}

fn users(gateway: &GatewaySettings) -> Result<Users, StartError> {
    let auth = &gateway.auth;
    let file = match &auth.users_file {
        Some(path) => {
            let path = path.path().to_owned();
            let text = std::fs::read_to_string(&path)
                .map_err(|source| StartError::ReadUsers { path, source })?;
            Some(text)
        }
        None => None,
    };
    let generated = if has_generated_user(gateway) {
        Some(
            state_dir::generated_password(&gateway.state_dir, DEFAULT_USER)
                .map_err(StartError::StateDir)?,
        )
    } else {
        None
    };
    let generated = generated
        .as_ref()
        .map(|password| (DEFAULT_USER, password.expose().as_str()));
    let mock_key = state_dir::mock_key(&gateway.state_dir).map_err(StartError::StateDir)?;
    Users::new(auth, file.as_deref(), generated, mock_key).map_err(StartError::Users)
}

/// Whether clients log in as [`DEFAULT_USER`] with a password that pgmoor made up.
pub fn has_generated_user(gateway: &GatewaySettings) -> bool {
    let auth = &gateway.auth;
    auth.users.is_empty()
        && auth.users_file.is_none()
        && auth.passthrough == settings::Passthrough::None
}
