//! A pool as one worker has it: its idle server connections and its queue of clients.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgmoor::connector::{self, ConnectError};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::error::CheckoutError;
use super::permit::Permit;
use super::reset::{Condition, reset};
use super::server::{Health, Server};
use super::shared::{Login, SharedPool};
use crate::clock::Moment;
use crate::counters::PoolCounters;
use crate::parameters::Parameters;
use crate::statements::Registry;

/// How long opening a server connection may take when the endpoint sets no limit.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// Server connections that one worker opens for a pool at the same time.
const MAX_OPENING: usize = 8;
/// Waits between attempts to open a server connection grow from the first to the last. The last is
/// what clients wait for in vain when a server is there again; an attempt each is not much to it.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// What a client that waits is given in the end.
pub(super) type Outcome = oneshot::Receiver<Result<Box<Server>, CheckoutError>>;

pub(super) struct Waiter {
    pub(super) since: Moment,
    pub(super) sender: oneshot::Sender<Result<Box<Server>, CheckoutError>>,
}

/// A pool as one worker has it.
pub(crate) struct Pool {
    pub(crate) shared: Arc<SharedPool>,
    pub(crate) counters: Arc<PoolCounters>,
    /// Statements that clients here have prepared.
    pub(crate) registry: RefCell<Registry>,
    /// What a client asked for at its start: mostly, all clients of a pool ask for the same.
    familiar: RefCell<Parameters>,
    pub(super) worker: usize,
    #[expect(clippy::vec_box, reason = "it goes from hand to hand as a pointer")]
    pub(super) idle: RefCell<Vec<Box<Server>>>,
    /// In the order in which they came; who gives up leaves at once.
    pub(super) queue: RefCell<VecDeque<Waiter>>,
    opening: Cell<usize>,
    /// Attempts to open a server connection that failed in a row.
    pub(super) failures: Cell<u32>,
    pub(super) retrying: Cell<bool>,
    /// Somebody sees to it that clients do not wait while another worker has a server connection.
    pub(super) patient: Cell<bool>,
    pub(super) last_error: RefCell<Option<Arc<ConnectError>>>,
}

impl Pool {
    /// Equal parameters as one thing in memory, where clients ask for the same: less of it, and nothing to
    /// compare when a server connection goes from one of them to the next.
    pub(crate) fn share(&self, parameters: Parameters) -> Parameters {
        let mut familiar = self.familiar.borrow_mut();
        if *familiar != parameters {
            *familiar = parameters;
        }
        familiar.clone()
    }

    pub(crate) fn new(shared: Arc<SharedPool>, worker: usize) -> Rc<Self> {
        Rc::new(Self {
            counters: shared.desks[worker].counters.clone(),
            shared,
            registry: RefCell::default(),
            familiar: RefCell::default(),
            worker,
            idle: RefCell::default(),
            queue: RefCell::default(),
            opening: Cell::new(0),
            failures: Cell::new(0),
            retrying: Cell::new(false),
            patient: Cell::new(false),
            last_error: RefCell::default(),
        })
    }

    /// A free server connection, when no client waits before this one.
    #[inline]
    pub(crate) fn try_check_out(&self) -> Option<Box<Server>> {
        if !self.queue.borrow().is_empty() || self.shared.is_paused() {
            return None;
        }
        let server = self.take_idle()?;
        self.counters.wait.observe(Duration::ZERO);
        self.counters.active_servers.change(1);
        Some(server)
    }

    /// The most recently used idle server connection that is still good.
    pub(super) fn take_idle(&self) -> Option<Box<Server>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut server) = idle.pop() {
            self.show_idle(&idle);
            if server.health() == Health::Dead {
                info!(server_id = server.about.card.id, pool = %self.name(), "server closed an idle connection");
                self.counters.discards.add("server_gone");
                continue;
            }
            if server.about.card.generation == self.shared.generation() {
                return Some(server);
            }
            self.counters.discards.add("replaced");
            server.close();
        }
        None
    }

    pub(super) fn show_idle(&self, idle: &[Box<Server>]) {
        let desk = &self.shared.desks[self.worker];
        let since = idle.first().map(|server| server.about.used.get());
        desk.idle_since
            .store(since.map_or(0, Moment::micros), Ordering::Relaxed);
        desk.idle.store(idle.len(), Ordering::SeqCst);
        self.counters.idle_servers.set(idle.len() as u64);
    }

    /// Puts a client into the queue; gives what it waits on, since when, and how long it may.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::QueueFull`]; [`CheckoutError::Connect`] when waiting would not help.
    pub(super) fn enqueue(self: &Rc<Self>) -> Result<(Outcome, Moment, Duration), CheckoutError> {
        if let Some((source, again)) = self.hopeless() {
            return Err(CheckoutError::Connect {
                database: self.shared.key.database.to_string(),
                again: Some(again),
                source,
            });
        }
        let settings = self.shared.database.settings.load();
        if self.shared.waiting() >= settings.max_waiting as usize {
            return Err(CheckoutError::QueueFull {
                database: self.shared.key.database.to_string(),
                limit: settings.max_waiting,
            });
        }
        let (sender, receiver) = oneshot::channel();
        let since = Moment::now();
        self.queue.borrow_mut().push_back(Waiter { since, sender });
        self.show_queue();
        let limit = settings.checkout_timeout;
        drop(settings);
        self.help();
        Ok((receiver, since, limit))
    }

    /// Takes out a client that waits since then, and does no more.
    pub(super) fn leave_queue(&self, since: Moment) {
        let mut queue = self.queue.borrow_mut();
        // They came one after the other.
        let first = queue.partition_point(|waiter| waiter.since < since);
        let gone = queue
            .range(first..)
            .position(|waiter| waiter.sender.is_closed());
        if let Some(gone) = gone {
            queue.remove(first + gone);
        }
        drop(queue);
        self.show_queue();
    }

    pub(super) fn show_queue(&self) {
        let queue = self.queue.borrow();
        let oldest = queue.front().map(|waiter| waiter.since);
        self.shared.waits(self.worker, queue.len(), oldest);
    }

    /// Looks for what the clients that wait can be given.
    pub(crate) fn help(self: &Rc<Self>) {
        if self.shared.is_paused() {
            return;
        }
        if !self.queue.borrow().is_empty()
            && let Some((error, again)) = self.hopeless()
        {
            self.fail_all(&error, Some(again));
        }
        while !self.queue.borrow().is_empty() {
            match self.take_idle() {
                Some(server) => self.place(server),
                None => break,
            }
        }
        let mut wanted = self.queue.borrow().len().saturating_sub(self.opening.get());
        if self.failures.get() > 0 {
            // The server lets nobody else in: what is idle elsewhere is all that there is.
            if wanted > 0 {
                self.shared.ask_for_donation(self.worker);
            }
            // One attempt at a time until one succeeds, and none where it would be refused again.
            let may_try = self.opening.get() == 0
                && !self.retrying.get()
                && self.shared.refused.now(self.shared.generation()).is_none();
            wanted = wanted.min(usize::from(may_try));
        }
        while wanted > 0 && self.opening.get() < MAX_OPENING {
            let Some(permit) = self.shared.permit() else {
                return self.ask_others();
            };
            self.open(permit);
            wanted -= 1;
        }
    }

    /// Keeps so many idle server connections ready.
    pub(crate) fn fill(self: &Rc<Self>, min_idle: usize) {
        let ready = self.idle.borrow().len() + self.opening.get();
        let is_trying = self.retrying.get() || self.failures.get() > 0 && self.opening.get() > 0;
        if ready < min_idle
            && !is_trying
            && self.shared.refused.now(self.shared.generation()).is_none()
            && !self.shared.is_paused()
            && let Some(permit) = self.shared.permit()
        {
            self.open(permit);
        }
    }

    fn open(self: &Rc<Self>, permit: Permit) {
        self.opening.set(self.opening.get() + 1);
        self.counters.opening_servers.set(self.opening.get() as u64);
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            let generation = pool.shared.generation();
            let started = Moment::now();
            let outcome = pool.connect().await;
            pool.opening.set(pool.opening.get() - 1);
            pool.counters.opening_servers.set(pool.opening.get() as u64);
            match outcome {
                Ok((connection, endpoint)) => {
                    pool.counters.connect.observe(started.elapsed());
                    pool.opened(connection, permit, generation, &endpoint);
                }
                Err(error) => pool.failed(Arc::new(error), permit, generation),
            }
        });
    }

    async fn connect(&self) -> Result<(connector::Connection, String), ConnectError> {
        let database = &self.shared.database;
        let endpoint = database.endpoint.load_full();
        let login = self.shared.login.load_full();
        let user = self.shared.key.user.as_deref().unwrap_or_default();
        let login = match &*login {
            Login::Endpoint => connector::Login::Endpoint,
            Login::Password(password) => connector::Login::Password {
                user,
                password: password.clone(),
            },
            Login::Keys { client, server } => connector::Login::ScramKeys {
                user,
                client_key: client.clone(),
                server_key: server.clone(),
            },
        };
        let dbname = database.name_at(&endpoint);
        let limit = endpoint.connector.longest().unwrap_or(OPEN_LIMIT);
        let deadline = std::time::Instant::now() + limit;
        let connection = endpoint
            .connector
            .connect(login, Some(&dbname), &[], deadline)
            .await?;
        Ok((connection, endpoint.name.clone()))
    }

    fn opened(
        self: &Rc<Self>,
        connection: connector::Connection,
        permit: Permit,
        generation: u64,
        endpoint: &str,
    ) {
        self.counters.server_opened.add(1);
        self.shared.database.health.succeeded();
        self.shared.refused.forget();
        self.shared.welcomes.compare(&connection.parameters);
        self.failures.set(0);
        *self.last_error.borrow_mut() = None;
        let settings = self.shared.database.settings.load();
        let server = Server::new(
            connection,
            Some(permit),
            generation,
            endpoint,
            NonZeroUsize::try_from(settings.prepared_statements).unwrap_or(NonZeroUsize::MAX),
            settings.lifetime.get(),
        );
        debug!(server_id = server.about.card.id, pool = %self.name(), "opened server connection");
        self.place(Box::new(server));
        self.help();
    }

    fn failed(self: &Rc<Self>, error: Arc<ConnectError>, permit: Permit, generation: u64) {
        permit.return_silently();
        self.counters.server_failed.add(1);
        self.shared.database.health.failed(&error);
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        let before = self.last_error.replace(Some(error.clone()));
        if before.is_none_or(|before| before.sqlstate() != error.sqlstate()) {
            warn!(pool = %self.name(), error = %crate::report::chain(&*error), "cannot open server connection");
        }
        if !error.is_retryable() {
            self.shared.refused.note(&error, generation);
            if self.hopeless().is_some() {
                self.fail_all(&error, None);
            }
        }
        if self.retrying.replace(true) {
            return;
        }
        let delay = match self.shared.refused.now(generation) {
            Some((_, again)) => again,
            None => RETRY
                .1
                .min(RETRY.0 * 2u32.saturating_pow(failures.min(10) - 1)),
        };
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            pool.retrying.set(false);
            pool.help();
        });
    }

    /// Takes a server connection back from a client: the one door, which resets it.
    #[inline]
    pub(crate) fn check_in(self: &Rc<Self>, server: Box<Server>, condition: Condition) {
        self.counters.active_servers.change(-1);
        match condition {
            Condition::Clean if !server.about.state.dirty && !server.is_being_cancelled() => {
                self.place(server)
            }
            Condition::Clean | Condition::Used => self.reset(server),
            Condition::Unusable(reason, rest) => self.discard(server, reason, rest),
            Condition::Gone { proven } => {
                self.counters.discards.add("server_gone");
                if !proven {
                    self.suspect(&server);
                }
                drop(server);
                self.help();
            }
        }
    }

    fn reset(self: &Rc<Self>, mut server: Box<Server>) {
        self.counters.resetting_servers.change(1);
        let limit = self.shared.database.settings.load().reset_timeout;
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            let waited = Moment::now();
            while server.is_being_cancelled() && waited.elapsed() < limit {
                // A cancel that arrives late would hit whoever has the connection next.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let outcome = if server.is_being_cancelled() {
                Err("cancel_timeout")
            } else {
                reset(&mut server, limit).await
            };
            pool.counters.resetting_servers.change(-1);
            match outcome {
                Ok(()) => {
                    server.about.used.set(Moment::now());
                    pool.place(server);
                }
                // Nothing but the reset was under way: with the connection, all of it is undone.
                Err(reason) => {
                    info!(server_id = server.about.card.id, pool = %pool.name(), reason, "discarded server connection");
                    pool.counters.discards.add(reason);
                    drop(server);
                    pool.help();
                }
            }
        });
    }

    /// Closes idle server connections that are dead, too old, too long idle, or of an earlier
    /// generation; sees to the least number of idle ones.
    pub(crate) fn maintain(self: &Rc<Self>, now: Moment) {
        let settings = self.shared.database.settings.load();
        // Users of the server come and go, and so do databases: nothing is kept ready for nobody.
        let is_retired = self.shared.database.retired.load(Ordering::SeqCst);
        let may_go = is_retired || self.shared.key.user.is_some();
        let is_left = may_go && !self.shared.has_clients();
        let min_idle = match is_left {
            true => 0,
            false => self.part_of(settings.min_idle as usize),
        };
        let paused = self.shared.is_paused();
        let generation = self.shared.generation();
        let mut kept = Vec::new();
        for mut server in std::mem::take(&mut *self.idle.borrow_mut()) {
            let idle_for = now.since(server.about.used.get());
            let too_long = settings
                .idle_timeout
                .get()
                .is_some_and(|limit| idle_for > limit)
                && kept.len() >= min_idle;
            if server.health() == Health::Dead {
                info!(server_id = server.about.card.id, pool = %self.name(), "server closed an idle connection");
                self.counters.discards.add("server_gone");
                continue;
            }
            let reason = if paused {
                "paused"
            } else if server.about.card.generation != generation {
                "replaced"
            } else if server.is_expired(now) {
                "age"
            } else if too_long || is_left && is_retired {
                "idle"
            } else {
                kept.push(server);
                continue;
            };
            self.counters.discards.add(reason);
            server.close();
        }
        self.show_idle(&kept);
        *self.idle.borrow_mut() = kept;
        self.registry.borrow_mut().sweep();
        drop(settings);
        self.fill(min_idle);
        self.help();
    }

    /// This worker's part of what the whole pool has.
    fn part_of(&self, whole: usize) -> usize {
        let workers = self.shared.desks.len();
        whole / workers + usize::from(self.worker < whole % workers)
    }

    /// Calls `visit` for each idle server connection.
    pub(crate) fn each_idle(&self, mut visit: impl FnMut(&Server)) {
        self.idle.borrow().iter().for_each(|server| visit(server));
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.key.database
    }

    /// Nobody uses or wants anything of it.
    pub(crate) fn is_unused(&self) -> bool {
        self.idle.borrow().is_empty()
            && self.queue.borrow().is_empty()
            && self.opening.get() == 0
            && self.counters.clients.get() == 0
    }
}
