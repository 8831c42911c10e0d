//! The gateway as its caller has it: started, reloaded, watched, stopped.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pgmoor::tls::{self, ServerTls, ServerTlsSettings, TlsError};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::clients::Order;
use crate::endpoint::Endpoint;
use crate::event_loop;
use crate::hooks::Hooks;
use crate::listener::Listener;
use crate::login::{UserError, Users};
use crate::pool::{Database, Health};
use crate::settings::{self, ClientCertificate, DatabaseSettings, GatewaySettings, TlsMode};
use crate::state_dir::{self, StateDirError};
use crate::traffic::Traffic;
use crate::worker::{Databases, Shared, State};

/// The user that there is when the configuration names none.
pub const DEFAULT_USER: &str = "app";
/// How often the end of clients is looked for during a stop.
const GLANCE: Duration = Duration::from_millis(20);

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
            Self::NoEndpoint { .. } | Self::Worker { .. } => None,
        }
    }
}

/// A running gateway. Dropped, it stops at once.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
}

impl Gateway {
    /// Starts the workers; `listeners` has those of each worker.
    ///
    /// # Errors
    ///
    /// [`StartError`]. Nothing runs then.
    pub fn start(
        configuration: Configuration,
        listeners: Vec<Vec<Listener>>,
    ) -> Result<Self, StartError> {
        let state = build(configuration, None)?;
        let (shared, inboxes) = Shared::new(state, listeners.len());
        let (stop, stopped) = watch::channel(false);
        let mut gateway = Self {
            shared,
            stop,
            threads: Vec::new(),
            started: Instant::now(),
        };
        for (index, (listeners, inbox)) in listeners.into_iter().zip(inboxes).enumerate() {
            let (shared, stopped) = (gateway.shared.clone(), stopped.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    if let Err(error) = event_loop::run(index, shared, listeners, inbox, stopped) {
                        tracing::error!(worker = index, %error, "worker failed");
                    }
                })
                .map_err(|source| StartError::Worker { index, source })?;
            gateway.threads.push(thread);
        }
        info!(workers = gateway.threads.len(), "gateway serves clients");
        Ok(gateway)
    }

    /// Puts another configuration into effect. Clients stay connected; what listens stays as it is.
    ///
    /// # Errors
    ///
    /// [`StartError`]. The configuration so far stays in effect then.
    pub fn reload(&self, configuration: Configuration) -> Result<(), StartError> {
        self.reloader().reload(configuration)
    }

    /// Puts other configurations into effect, from wherever it is kept.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.shared.clone())
    }

    /// Says what to do when somebody asks for a reload or a shutdown, over HTTP or in the admin
    /// database. They are dropped when the gateway stops.
    pub fn set_hooks(&self, hooks: Hooks) {
        self.shared.hooks.store(Some(Arc::new(hooks)));
    }

    /// Directs traffic: pause, drain, switch, resume.
    pub fn traffic(&self) -> Traffic {
        Traffic::new(self.shared.clone())
    }
    /// What the gateway does now, for metrics, the status page and the admin database.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.shared.connected()
    }

    /// Accepts no more connections; clients that are connected stay.
    pub fn stop_accepting(&self) {
        self.shared.run_everywhere(|worker| worker.stop_accepting());
    }

    /// Waits until every client has left by itself, at most so long.
    pub async fn wait_for_clients(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.shared.connected() > 0 && Instant::now() < deadline {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Lets no client in any more, lets those that are in a transaction finish it, at most for
    /// `grace`, and ends.
    pub async fn stop(mut self, grace: Duration) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.run_everywhere(|worker| {
            worker.stop_accepting();
            worker
                .clients
                .each(|client| client.give_order(Order::Leave));
        });
        self.wait_for_clients(grace).await;
        if self.shared.connected() > 0 {
            info!(
                clients = self.shared.connected(),
                "ending clients that did not finish in time"
            );
            self.shared.run_everywhere(|worker| {
                worker.clients.each(|client| client.give_order(Order::Kill))
            });
            self.wait_for_clients(Duration::from_secs(1)).await;
        }
        self.end();
        info!("gateway stopped");
    }

    fn end(&mut self) {
        // They may hold what holds this gateway.
        self.shared.hooks.store(None);
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A panic in a worker has been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts other configurations into effect on a running gateway.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<Shared>);

impl Reloader {
    /// As [`Gateway::reload`].
    ///
    /// # Errors
    ///
    /// [`StartError`]. The configuration so far stays in effect then.
    pub fn reload(&self, configuration: Configuration) -> Result<(), StartError> {
        let shared = &self.0;
        let before = shared.state.load_full();
        let pools = shared.pools();
        let mut after = build(configuration, Some(&before)).inspect_err(|_| {
            shared.events.reload(false);
        })?;
        // Who has a pool there may be asked for again; others would only pile up.
        after.retired.retain(|_, retired| {
            let mut pools = pools.iter();
            pools.any(|pool| Arc::ptr_eq(&pool.database, retired))
        });
        if after.settings.listen != before.settings.listen
            || after.settings.unix_sockets != before.settings.unix_sockets
        {
            warn!("gateway.listen and gateway.unix_sockets change with the next start");
        }
        shared.state.store(Arc::new(after));
        for pool in shared.pools() {
            pool.forget_server();
        }
        shared.run_everywhere(|worker| {
            for pool in worker.pools() {
                pool.maintain(crate::clock::Moment::now());
            }
        });
        shared.events.reload(true);
        info!("configuration reloaded");
        Ok(())
    }

    /// Notes that a configuration could not even be read, for the metrics.
    pub fn note_failure(&self) {
        self.0.events.reload(false);
    }
}

/// From a configuration to what workers use. Databases and endpoints that were there before go on,
/// with their connections.
fn build(configuration: Configuration, before: Option<&State>) -> Result<State, StartError> {
    let Configuration {
        gateway,
        databases,
        endpoints,
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
            None => Arc::new(new_database(&name, settings, configured, endpoint)),
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
        endpoints,
    })
}

fn new_database(
    name: &str,
    settings: DatabaseSettings,
    configured: String,
    endpoint: Arc<Endpoint>,
) -> Database {
    Database {
        name: name.into(),
        configured: ArcSwap::from_pointee(configured),
        dbname: ArcSwap::from_pointee(settings.dbname),
        settings: ArcSwap::from_pointee(settings.pool),
        endpoint: ArcSwap::new(endpoint),
        paused: AtomicBool::new(false),
        disabled: AtomicBool::new(false),
        retired: AtomicBool::new(false),
        health: Health::default(),
        generation: AtomicU64::new(0),
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
    let (TlsMode::Allow | TlsMode::Require, Some(certificate), Some(key)) =
        (gateway.tls.mode, &gateway.tls.certificate, &gateway.tls.key)
    else {
        return Ok(None);
    };
    let settings = ServerTlsSettings {
        certificate: certificate.clone(),
        key: key.path().to_owned(),
        client_ca: gateway.tls.client_ca.clone(),
        client_certificate: match gateway.tls.client_certificate {
            ClientCertificate::None => tls::ClientCertificate::None,
            ClientCertificate::Optional => tls::ClientCertificate::Optional,
            ClientCertificate::Required => tls::ClientCertificate::Required,
        },
    };
    let _ = before;
    ServerTls::new(settings)
        .map(|tls| Some(Arc::new(tls)))
        .map_err(StartError::Tls)
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
