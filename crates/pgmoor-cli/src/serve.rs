//! A gateway in this process, from configuration to stop; `up` and `run` are thin shells over it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use pgmoor_gateway::handover::{self, Inheritance, Succession, Waiting};
use pgmoor_gateway::{
    Address, Admin, AdminError, AdminListener, BindError, Configuration, Gateway, Hooks, Listener,
    Shutdown, StartError, bind, bind_rest, state_dir,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::settings::Settings;
use crate::config::surroundings::Surroundings;
use crate::endpoints::{Bundles, Endpoints};
use crate::exit::Exit;
use crate::migrations::{Job, Preparing};
use crate::output::{Failure, chain};

/// Files that a gateway needs besides connections.
const SPARE_FILES: u64 = 256;

/// As long as an administrator who said "when all clients have left" can mean.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// How this gateway stands to another one on the same state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// There must be no other.
    Alone,
    /// It takes the place of one that runs.
    Takeover,
    /// It serves one command, whoever else is there.
    Beside,
}

/// Why a gateway ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Somebody wants it to.
    Asked(Shutdown),
    /// Another process serves clients now.
    Succeeded(Succession),
}

/// A running gateway and what it stands on.
pub(crate) struct Serving {
    gateway: Gateway,
    admin: Option<Admin>,
    bundles: Bundles,
    /// Migrations that run before clients are let in.
    preparing: Preparing,
    settings: Settings,
    surroundings: Surroundings,
    /// What a successor can ask for.
    waiting: Option<Waiting>,
}

impl Serving {
    /// Binds the addresses, starts bundled servers, and lets clients in.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub(crate) async fn start(
        mut settings: Settings,
        surroundings: Surroundings,
        stand: Stand,
    ) -> Result<Self, Failure> {
        state_dir::create(&settings.gateway.state_dir).map_err(|error| {
            let failure =
                Failure::new(Exit::Usage, "cannot use the state directory").because(&error);
            hinted(failure, error.hint())
        })?;
        allow_files(&settings);
        let workers = workers(&settings);
        // Before servers are started: an address that is taken is found at once.
        let mut inheritance = inherit(&settings, stand)?;
        let listeners = match &mut inheritance {
            Some(inheritance) => bind_rest(&settings.gateway, inheritance.listeners(workers)),
            None => bind(&settings.gateway, workers),
        };
        let listeners = listeners.map_err(|error| cannot_listen(&error))?;
        // A port that the kernel chose is known from here on.
        settings.gateway.listen = listeners[0]
            .iter()
            .filter_map(|listener| tcp(&listener.address))
            .collect();
        let admin = bind_admin(&settings, stand).map_err(|error| admin_refused(&error))?;
        settings.gateway.admin = admin.as_ref().map(AdminListener::address);
        let copies = (stand != Stand::Beside).then(|| handover::copies(&listeners));
        let mut bundles = Bundles::default();
        let mut jobs = Vec::new();
        let opened = open(
            &settings,
            &mut bundles,
            &surroundings,
            inheritance.is_some(),
        );
        let started = match opened.await {
            Ok((endpoints, migrations)) => {
                jobs = migrations;
                let unprepared = match &inheritance {
                    // The predecessor serves clients until they are run.
                    Some(_) => Vec::new(),
                    None => jobs.clone(),
                };
                let configuration = configuration(&settings, endpoints, &unprepared);
                let started = match &inheritance {
                    Some(inheritance) => {
                        Gateway::succeed(configuration, listeners, &inheritance.databases)
                    }
                    None => Gateway::start(configuration, listeners),
                };
                started.map_err(|error| refused("start", &error))
            }
            Err(failure) => Err(failure),
        };
        match started {
            Ok(gateway) => {
                let served = admin.map(|listener| Admin::start(&gateway, listener));
                let admin = match served.transpose() {
                    Ok(admin) => admin,
                    Err(error) => {
                        drop(gateway);
                        bundles.stop().await;
                        return Err(admin_refused(&error));
                    }
                };
                // First: whoever comes next finds nobody to take over from as soon as the predecessor
                // has heard that all is ready, unless this process can be asked by then.
                let waiting = copies.and_then(|copies| offer(&settings, &gateway, copies));
                if let Some(inheritance) = inheritance {
                    // A predecessor that is gone already has nobody left to finish.
                    let _ = inheritance.ready(&gateway);
                }
                let mut preparing = Preparing::default();
                preparing.update(jobs, &gateway.traffic()).await;
                Ok(Self {
                    waiting,
                    preparing,
                    gateway,
                    admin,
                    bundles,
                    settings,
                    surroundings,
                })
            }
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

    /// Waits until another process has taken over.
    ///
    /// Cancel safe.
    pub(crate) async fn succeeded(&mut self) -> Succession {
        match &mut self.waiting {
            Some(waiting) => waiting.succeeded().await,
            None => std::future::pending().await,
        }
    }

    /// Leaves new clients to the successor, and waits for those that are still here, for as long as
    /// the configuration says.
    pub(crate) async fn leave_to(&mut self, succession: Succession) {
        // The socket in the state directory is the successor's by now.
        self.waiting = None;
        self.admin = None;
        self.gateway.stop_accepting();
        succession.serve_cancels(&self.gateway);
        let limit = self.settings.gateway.shutdown_timeout;
        tokio::join!(
            self.gateway.wait_for_clients(limit),
            self.gateway.wait_for_predecessor(limit),
        );
    }

    /// Nobody can take over any more; while somebody can, the kernel accepts connections for them.
    fn withdraw(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.withdraw();
        }
    }

    /// Waits until every client has left by itself.
    pub(crate) async fn wait_for_clients(&mut self) {
        self.withdraw();
        self.gateway.stop_accepting();
        self.gateway.wait_for_clients(FOR_EVER).await;
    }

    /// Puts another configuration into effect; clients stay connected.
    ///
    /// # Errors
    /// The one before stays in effect then.
    pub(crate) async fn reload(&mut self, mut settings: Settings) -> Result<(), Failure> {
        let opened = open(&settings, &mut self.bundles, &self.surroundings, false);
        let (endpoints, jobs) = opened.await?;
        self.gateway
            .reload(configuration(&settings, endpoints, &jobs))
            .map_err(|error| refused("reload", &error))?;
        self.preparing.update(jobs, &self.gateway.traffic()).await;
        settings
            .gateway
            .listen
            .clone_from(&self.settings.gateway.listen);
        settings.gateway.admin = self.settings.gateway.admin;
        self.settings = settings;
        self.release_unused().await;
        Ok(())
    }

    /// Lets go of bundled servers that nobody is served from any more, and no client is left of.
    pub(crate) async fn release_unused(&mut self) {
        let in_use = self.gateway.endpoints_in_use();
        self.bundles.release_unused(&self.settings, &in_use).await;
    }

    /// Lets clients finish, for as long as the configuration says, then stops everything.
    pub(crate) async fn stop(mut self) {
        self.withdraw();
        self.preparing.stop().await;
        self.gateway
            .stop(self.settings.gateway.shutdown_timeout)
            .await;
        self.bundles.stop().await;
    }

    /// Stops everything at once.
    pub(crate) async fn stop_now(mut self) {
        self.preparing.stop().await;
        drop(self.admin);
        drop(self.gateway);
        self.bundles.stop().await;
    }
}

/// A gateway that is to be succeeded still has the address.
fn bind_admin(settings: &Settings, stand: Stand) -> Result<Option<AdminListener>, AdminError> {
    let bind = match stand {
        Stand::Takeover => AdminListener::bind_beside,
        Stand::Alone | Stand::Beside => AdminListener::bind,
    };
    settings.gateway.admin.map(bind).transpose()
}

fn admin_refused(error: &AdminError) -> Failure {
    hinted(
        Failure::new(Exit::Usage, "cannot serve the admin address").because(error),
        error.hint(),
    )
}

/// The sockets of the pgmoor that runs already, if they are wanted.
fn inherit(settings: &Settings, stand: Stand) -> Result<Option<Inheritance>, Failure> {
    let state_dir = &settings.gateway.state_dir;
    match stand {
        Stand::Beside => Ok(None),
        Stand::Alone if Inheritance::is_there(state_dir) => Err(Failure::new(
            Exit::Usage,
            format!("another pgmoor runs on {}", state_dir.display()),
        )
        .hint("stop it first, or let `pgmoor up --takeover` take its place; a gateway of its own needs another gateway.state_dir")),
        Stand::Alone => Ok(None),
        Stand::Takeover => Inheritance::claim(state_dir).map_err(|error| {
            Failure::new(Exit::Usage, "cannot take over from the running pgmoor")
                .because(&error)
                .hint(error.hint())
        }),
    }
}

/// Lets a later process take over; one that cannot does not keep this one from serving.
fn offer(
    settings: &Settings,
    gateway: &Gateway,
    copies: Result<Vec<Listener>, handover::HandoverError>,
) -> Option<Waiting> {
    let offered = copies
        .and_then(|copies| Waiting::offer(&settings.gateway.state_dir, copies, gateway.traffic()));
    offered
        .inspect_err(|error| {
            warn!(
                error = chain(error),
                "`pgmoor up --takeover` will not be possible"
            );
        })
        .ok()
}

fn cannot_listen(error: &BindError) -> Failure {
    let hint = Some(error.hint()).filter(|hint| !hint.is_empty());
    hinted(
        Failure::new(Exit::Usage, format!("cannot listen on {}", error.address))
            .because(&error.source),
        hint,
    )
}

/// The endpoints, and the migrations that are run before clients are let in; where another process
/// serves clients until then, they are run here.
async fn open(
    settings: &Settings,
    bundles: &mut Bundles,
    surroundings: &Surroundings,
    run: bool,
) -> Result<(Endpoints, Vec<Job>), Failure> {
    let endpoints = bundles.open(settings, surroundings).await?;
    let mut jobs = Vec::new();
    for (name, database) in &settings.databases {
        if database
            .schema
            .as_ref()
            .is_some_and(|schema| schema.at_start)
        {
            jobs.push(Job::of(name, settings, bundles, surroundings).await?);
        }
    }
    if run {
        Preparing::run_now(&jobs).await?;
    }
    Ok((endpoints, jobs))
}

fn configuration(settings: &Settings, endpoints: Endpoints, unprepared: &[Job]) -> Configuration {
    Configuration {
        gateway: settings.gateway.clone(),
        databases: settings.databases.clone(),
        endpoints,
        unprepared: unprepared.iter().map(|job| job.database.clone()).collect(),
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
