//! A gateway in this process, from configuration to stop; `up` and `run` are thin shells over it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use pgmoor_gateway::{Address, Configuration, Gateway, Hooks, StartError, bind, state_dir};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::settings::Settings;
use crate::config::surroundings::Surroundings;
use crate::endpoints::{Bundles, Endpoints};
use crate::exit::Exit;
use crate::output::Failure;

/// Files that a gateway needs besides connections.
const SPARE_FILES: u64 = 256;

/// As long as an administrator who said "when all clients have left" can mean.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// A running gateway and what it stands on.
pub(crate) struct Serving {
    gateway: Gateway,
    bundles: Bundles,
    settings: Settings,
    surroundings: Surroundings,
}

impl Serving {
    /// Binds the addresses, starts bundled servers, and lets clients in.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub(crate) async fn start(
        mut settings: Settings,
        surroundings: Surroundings,
    ) -> Result<Self, Failure> {
        state_dir::create(&settings.gateway.state_dir).map_err(|error| {
            let failure =
                Failure::new(Exit::Usage, "cannot use the state directory").because(&error);
            hinted(failure, error.hint())
        })?;
        allow_files(&settings);
        let workers = workers(&settings);
        // Before servers are started: an address that is taken is found at once.
        let listeners = bind(&settings.gateway, workers).map_err(|error| {
            let hint = Some(error.hint()).filter(|hint| !hint.is_empty());
            hinted(
                Failure::new(Exit::Usage, format!("cannot listen on {}", error.address))
                    .because(&error.source),
                hint,
            )
        })?;
        // A port that the kernel chose is known from here on.
        settings.gateway.listen = listeners[0]
            .iter()
            .filter_map(|listener| tcp(&listener.address))
            .collect();
        let mut bundles = Bundles::default();
        let started = match bundles.open(&settings, &surroundings).await {
            Ok(endpoints) => Gateway::start(configuration(&settings, endpoints), listeners)
                .map_err(|error| refused("start", &error)),
            Err(failure) => Err(failure),
        };
        match started {
            Ok(gateway) => Ok(Self {
                gateway,
                bundles,
                settings,
                surroundings,
            }),
            Err(failure) => {
                bundles.stop().await;
                Err(failure)
            }
        }
    }

    /// What is in effect.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Says what to do when the gateway is asked to reload or to end by somebody else than us.
    pub(crate) fn set_hooks(&self, hooks: Hooks) {
        self.gateway.set_hooks(hooks);
    }

    /// Counts a reload that failed before the gateway saw it.
    pub(crate) fn note_failure(&self) {
        self.gateway.reloader().note_failure();
    }

    /// Waits until every client has left by itself.
    pub(crate) async fn wait_for_clients(&self) {
        self.gateway.stop_accepting();
        self.gateway.wait_for_clients(FOR_EVER).await;
    }

    /// Puts another configuration into effect; clients stay connected.
    ///
    /// # Errors
    /// The one before stays in effect then.
    pub(crate) async fn reload(&mut self, mut settings: Settings) -> Result<(), Failure> {
        let endpoints = self.bundles.open(&settings, &self.surroundings).await?;
        self.gateway
            .reload(configuration(&settings, endpoints))
            .map_err(|error| refused("reload", &error))?;
        self.bundles.release_unused(&settings).await;
        settings
            .gateway
            .listen
            .clone_from(&self.settings.gateway.listen);
        self.settings = settings;
        Ok(())
    }

    /// Lets clients finish, for as long as the configuration says, then stops everything.
    pub(crate) async fn stop(self) {
        self.gateway
            .stop(self.settings.gateway.shutdown_timeout)
            .await;
        self.bundles.stop().await;
    }

    /// Stops everything at once.
    pub(crate) async fn stop_now(self) {
        drop(self.gateway);
        self.bundles.stop().await;
    }
}

fn configuration(settings: &Settings, endpoints: Endpoints) -> Configuration {
    Configuration {
        gateway: settings.gateway.clone(),
        databases: settings.databases.clone(),
        endpoints,
    }
}

fn refused(act: &str, error: &StartError) -> Failure {
    hinted(
        Failure::new(Exit::Usage, format!("cannot {act} the gateway")).because(error),
        error.hint(),
    )
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn tcp(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    }
}

fn workers(settings: &Settings) -> usize {
    match usize::try_from(settings.gateway.workers) {
        Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        Ok(workers) => workers,
    }
}

/// Each client and each server connection is an open file; systems allow 1024 unless asked.
fn allow_files(settings: &Settings) {
    let servers: u64 = settings
        .endpoints
        .values()
        .map(|endpoint| u64::from(endpoint.max_connections.get()))
        .sum();
    let wanted = u64::from(settings.gateway.max_client_connections.get()) + servers + SPARE_FILES;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return;
    }
    let possible = wanted.min(limit.maximum.unwrap_or(u64::MAX));
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(possible),
            maximum: limit.maximum,
        },
    );
    if raised.is_err() || possible < wanted {
        warn!(
            wanted,
            possible,
            "too few open files are allowed for all configured connections; raise ulimit -n"
        );
    }
}
