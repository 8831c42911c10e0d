//! The gateway as its caller has it: started, reloaded, watched, stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::clients::Order;
use crate::configuration::{Configuration, StartError, build, inherit};
use crate::event_loop;
use crate::hooks::Hooks;
use crate::listener::Listener;
use crate::traffic::{Standing, Traffic};
use crate::worker::{Shared, State};

/// How often the end of clients is looked for during a stop.
const GLANCE: Duration = Duration::from_millis(20);
/// How long a stop waits for statements of clients that it has ended.
const LAST_WAIT: Duration = Duration::from_secs(3);

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
        Self::launch(build(configuration, None)?, listeners)
    }

    /// As [`start`](Self::start), and serves each database from where the predecessor does.
    ///
    /// # Errors
    ///
    /// [`StartError`]. Nothing runs then.
    pub fn succeed(
        configuration: Configuration,
        listeners: Vec<Vec<Listener>>,
        inherited: &BTreeMap<String, Standing>,
    ) -> Result<Self, StartError> {
        let state = build(configuration, None)?;
        for (name, standing) in inherited {
            inherit(&state, name, standing)?;
        }
        Self::launch(state, listeners)
    }

    fn launch(state: State, listeners: Vec<Vec<Listener>>) -> Result<Self, StartError> {
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

    /// The endpoints that clients are served from, by name, also those that a reload took away from
    /// the configuration while clients were there. Where those have left, what they leave idle is
    /// closed.
    pub fn endpoints_in_use(&self) -> BTreeSet<String> {
        let state = self.shared.state.load();
        let all = state.endpoints.values().chain(&state.retired_endpoints);
        let mut names: BTreeSet<String> = all
            .filter(|endpoint| endpoint.open() > 0)
            .map(|endpoint| endpoint.name.clone())
            .collect();
        for database in state.retired.values() {
            if self.shared.clients_of(&database.name) > 0 {
                names.insert(database.endpoint.load().name.clone());
            } else {
                database.generation.fetch_add(1, Ordering::SeqCst);
            }
        }
        let served = state.databases.values();
        names.extend(served.map(|database| database.endpoint.load().name.clone()));
        names
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

    /// Waits until what ended clients left running has ended, too, at most so long.
    async fn wait_for_servers(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.shared.closing() > 0 && Instant::now() < deadline {
            tokio::time::sleep(GLANCE).await;
        }
        let closing = self.shared.closing();
        if closing > 0 {
            warn!(
                closing,
                "servers may still be at work for clients that were ended"
            );
        }
    }

    /// Waits until the process before this one has ended, at most so long: what reaches its clients
    /// goes through this one.
    pub async fn wait_for_predecessor(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.shared.predecessor().is_some() && Instant::now() < deadline {
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
        self.wait_for_servers(LAST_WAIT).await;
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
                pool.forget_failures();
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
