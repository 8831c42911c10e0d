//! From configured endpoints to ones that the gateway connects to: credentials chosen, bundled
//! servers started.

mod common;
mod kept;
mod vault;

mod azure;

mod credential;
mod google;
mod url_file;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use pgmoor::bundled::{self, Bundled, KeeperCommand, Lease};
use pgmoor::connector::Connector;
use pgmoor::credential::{CredentialProvider, NoCredential};
use pgmoor::endpoint::Endpoint;
use pgmoor::settings::{BundledSettings, EndpointSettings, Value};
use tracing::info;

use crate::config::address;
use crate::config::settings::{APP, Settings};
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::output::{Failure, chain};
use credential::Identities;
use url_file::UrlFile;

/// Connections of a bundled server besides those that pools may open: for its own work and for a
/// person who looks after it.
const SPARE_CONNECTIONS: u32 = 10;

/// The endpoints of a configuration by name, as the gateway takes them.
pub(crate) type Endpoints = BTreeMap<String, Arc<pgmoor_gateway::Endpoint>>;

/// What outlives a reload: the bundled servers that this process holds, by endpoint, and the credentials
/// that were fetched.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    servers: BTreeMap<String, Held>,
    identities: Identities,
}

/// A server, and the databases that were made on it.
#[derive(Debug)]
struct Held {
    lease: Lease,
    databases: Vec<String>,
}

impl Bundles {
    /// Makes every endpoint ready: reads addresses, and starts bundled servers that are not held yet.
    ///
    /// # Errors
    /// An address is wrong, or a server does not start. Servers that did start are still held.
    pub(crate) async fn open(
        &mut self,
        settings: &Settings,
        surroundings: &Surroundings,
    ) -> Result<Endpoints, Failure> {
        let mut opened = Endpoints::new();
        for (name, endpoint) in &settings.endpoints {
            if endpoint.bundled.is_some() && !is_used(name, settings) {
                continue;
            }
            let connector = self
                .connector(name, endpoint, settings, surroundings)
                .await?;
            let limit = usize::try_from(endpoint.max_connections.get()).ok();
            let fingerprint = fingerprint(endpoint, connector.endpoint());
            let endpoint = pgmoor_gateway::Endpoint::new(name, connector, limit, fingerprint);
            opened.insert(name.clone(), Arc::new(endpoint));
        }
        self.identities.forget_unused();
        Ok(opened)
    }

    /// What opens server connections of an endpoint. A bundled server is started.
    ///
    /// # Errors
    /// The address is wrong, or the bundled server does not start.
    pub(crate) async fn connector(
        &mut self,
        name: &str,
        endpoint: &EndpointSettings,
        settings: &Settings,
        surroundings: &Surroundings,
    ) -> Result<Connector, Failure> {
        let mut line = None;
        let (address, provider) = match (&endpoint.bundled, &endpoint.cloud_sql) {
            (Some(bundled), _) => (
                self.hold(name, bundled, settings, surroundings).await?,
                no_credential(),
            ),
            (None, Some(cloud_sql)) => {
                let identities = &mut self.identities;
                let instance = identities.instance(name, cloud_sql, endpoint, surroundings)?;
                line = Some(instance.line);
                (instance.address, instance.credential)
            }
            (None, None) => external(name, endpoint, surroundings, &mut self.identities)?,
        };
        let environment = address::environment(surroundings);
        let connector =
            Connector::with_home(address, provider, environment.home()).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot prepare endpoint \"{name}\""))
                    .because(&error)
            })?;
        let exposes = endpoint.credential.as_ref();
        let connector = connector.exposing_tokens(exposes.is_some_and(|c| c.allow_unverified_tls));
        Ok(match line {
            Some(line) => connector.by_line(line),
            None => connector,
        })
    }

    /// What opens server connections of a bundled endpoint as its superuser, once its server is held; and what that one is
    /// called. `None` for any other endpoint.
    ///
    /// # Errors
    /// The connector cannot be prepared.
    pub(crate) fn superuser(
        &self,
        name: &str,
    ) -> Result<Option<(Connector, &'static str)>, Failure> {
        let Some(held) = self.servers.get(name) else {
            return Ok(None);
        };
        let address = held.lease.address();
        let connector = Connector::with_home(address.superuser_endpoint(), no_credential(), None);
        let connector = connector.map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot prepare endpoint \"{name}\"")).because(&error)
        })?;
        Ok(Some((connector, address.superuser())))
    }

    /// Lets go of the servers that no database is served from any more, unless clients still are.
    pub(crate) async fn release_unused(&mut self, settings: &Settings, in_use: &BTreeSet<String>) {
        let unused: Vec<String> = self
            .servers
            .keys()
            .filter(|name| !is_used(name, settings) && !in_use.contains(*name))
            .cloned()
            .collect();
        for name in unused {
            if let Some(held) = self.servers.remove(&name) {
                let outcome = held.lease.stop().await;
                info!(endpoint = name, ?outcome, "bundled endpoint released");
            }
        }
    }

    /// Gives back credentials that are on loan, and stops the servers, unless other gateways use them. Nobody is
    /// logged in by now.
    pub(crate) async fn stop(self) {
        self.identities.close().await;
        for (name, held) in self.servers {
            let outcome = held.lease.stop().await;
            info!(endpoint = name, ?outcome, "bundled endpoint released");
        }
    }

    /// The server's address; it is started unless it is held already.
    async fn hold(
        &mut self,
        name: &str,
        bundled: &BundledSettings,
        settings: &Settings,
        surroundings: &Surroundings,
    ) -> Result<Endpoint, Failure> {
        let databases = databases_of(name, settings);
        if let Some(held) = self
            .servers
            .get(name)
            .filter(|held| held.databases == databases)
        {
            return Ok(held.lease.address().endpoint());
        }
        let failed = || {
            Failure::new(
                Exit::Unreachable,
                format!("cannot start the bundled endpoint \"{name}\""),
            )
        };
        let keeper = KeeperCommand::this_program().map_err(|error| failed().because(&error))?;
        let server = server_settings(name, bundled, settings, surroundings, keeper);
        let lease = Bundled::new(server)
            .start(|step| info!(endpoint = name, step = %step, "bundled endpoint starts"))
            .await
            .map_err(|error| failed().cause(chain(&error)).hint(error.hint()))?;
        let address = lease.address().endpoint();
        // A server that runs already is joined; the lease before is let go when this one is held.
        self.servers
            .insert(name.to_owned(), Held { lease, databases });
        Ok(address)
    }
}

fn is_used(name: &str, settings: &Settings) -> bool {
    settings
        .databases
        .values()
        .any(|database| database.endpoint.as_deref() == Some(name))
}

fn no_credential() -> Arc<dyn CredentialProvider> {
    Arc::new(NoCredential)
}

fn external(
    name: &str,
    endpoint: &EndpointSettings,
    surroundings: &Surroundings,
    identities: &mut Identities,
) -> Result<(Endpoint, Arc<dyn CredentialProvider>), Failure> {
    let refused = || {
        Failure::new(
            Exit::Usage,
            format!("cannot use the address of endpoint \"{name}\""),
        )
    };
    let address =
        address::address(endpoint, &address::environment(surroundings)).map_err(|error| {
            let failure = refused().because(&error);
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
    let mut address = address.ok_or_else(refused)?;
    let provider = match (&endpoint.credential, &endpoint.url) {
        (Some(settings), _) => identities.provider(settings, &mut address, surroundings)?,
        (None, Some(url)) => match UrlFile::of(url, address::environment(surroundings)) {
            Some(file) => Arc::new(file),
            None => no_credential(),
        },
        (None, None) => no_credential(),
    };
    Ok((address, provider))
}

/// Differs when connections of before cannot go on: the settings or what they were read as differ.
/// A password in a file does not count: it is read anew for each login, and a server lets those go
/// on who have logged in with the one before.
fn fingerprint(endpoint: &EndpointSettings, address: &Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", endpoint.show()).hash(&mut hasher);
    let mut place = address.clone();
    if endpoint
        .url
        .as_ref()
        .is_some_and(|url| url.file().is_some())
    {
        place.password = None;
    }
    place.to_uri_with_password().expose().hash(&mut hasher);
    for secret in endpoint
        .credential
        .iter()
        .flat_map(credential::inline_secrets)
    {
        secret.secret().expose().hash(&mut hasher);
    }
    hasher.finish()
}

fn server_settings(
    name: &str,
    bundled: &BundledSettings,
    settings: &Settings,
    surroundings: &Surroundings,
    keeper: KeeperCommand,
) -> bundled::BundledSettings {
    let mut databases = databases_of(name, settings).into_iter();
    let database = databases.next().unwrap_or_else(|| APP.to_owned());
    let connections = settings
        .endpoints
        .get(name)
        .map_or(0, |endpoint| NonZeroU32::get(endpoint.max_connections));
    bundled::BundledSettings {
        pg_bin: surroundings.get("PGMOOR_PG_BIN").map(PathBuf::from),
        search_path: surroundings.get("PATH").map(Into::into),
        role: APP.to_owned(),
        database,
        other_databases: databases.collect(),
        max_connections: u16::try_from(connections.saturating_add(SPARE_CONNECTIONS))
            .unwrap_or(u16::MAX),
        ..bundled::BundledSettings::configured(bundled, &settings.gateway.state_dir, keeper)
    }
}

/// The databases that are made on a bundled server: those that are served from it.
fn databases_of(endpoint: &str, settings: &Settings) -> Vec<String> {
    let served = settings
        .databases
        .iter()
        .filter(|(_, database)| database.endpoint.as_deref() == Some(endpoint));
    let mut names: Vec<String> = served
        .map(|(name, database)| database.dbname.clone().unwrap_or_else(|| name.clone()))
        .collect();
    names.sort();
    names.dedup();
    names
}
