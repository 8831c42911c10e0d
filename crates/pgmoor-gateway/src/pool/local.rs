//! A pool as one worker has it: its idle server connections and its queue of clients.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgmoor::connector::ConnectError;
use tokio::sync::oneshot;
use tracing::info;

use super::error::CheckoutError;
use super::reset::{Condition, reset};
use super::server::{Health, Server};
use super::shared::{SharedPool, kind};
use crate::clock::Moment;
use crate::counters::PoolCounters;
use crate::parameters::{Opening, Parameters};
use crate::statements::Registry;

/// What a client that waits is given in the end.
pub(super) type Outcome = oneshot::Receiver<Result<Box<Server>, CheckoutError>>;

pub(super) struct Waiter {
    pub(super) since: Moment,
    /// What its server connection has to be opened with.
    pub(super) opening: Opening,
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
    /// What each server connection that is being opened is opened with.
    pub(super) opening: RefCell<Vec<Opening>>,
    /// What the last client that waited needed its server connection opened with.
    wanted: RefCell<Opening>,
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
            opening: RefCell::default(),
            wanted: RefCell::default(),
            failures: Cell::new(0),
            retrying: Cell::new(false),
            patient: Cell::new(false),
            last_error: RefCell::default(),
        })
    }

    /// A free server connection that was opened with this, when no client waits before this one.
    #[inline]
    pub(crate) fn try_check_out(&self, opening: &Opening) -> Option<Box<Server>> {
        if !self.queue.borrow().is_empty() || self.shared.is_paused() {
            return None;
        }
        let server = self.take_idle(|server| server.fits(opening))?;
        self.counters.wait.observe(Duration::ZERO);
        self.counters.active_servers.change(1);
        Some(server)
    }

    /// The most recently used idle server connection of these that is still good.
    #[inline]
    pub(super) fn take_idle(&self, fits: impl Fn(&Server) -> bool) -> Option<Box<Server>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(index) = idle.iter().rposition(|server| fits(server)) {
            let mut server = idle.remove(index);
            self.show_idle(&idle);
            if server.health() == Health::Dead {
                info!(server_id = server.about.card.id, pool = %self.name(), "server closed an idle connection");
                self.counters.discards.add("server_gone");
                continue;
            }
            if server.about.card.generation != self.shared.generation() {
                self.counters.discards.add("replaced");
            } else if server.is_retired() {
                self.counters.discards.add("age");
            } else {
                return Some(server);
            }
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
    pub(super) fn enqueue(
        self: &Rc<Self>,
        opening: &Opening,
    ) -> Result<(Outcome, Moment, Duration), CheckoutError> {
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
        if *self.wanted.borrow() != *opening {
            self.wanted.replace(opening.clone());
        }
        self.queue.borrow_mut().push_back(Waiter {
            since,
            opening: opening.clone(),
            sender,
        });
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
        let first = queue.front();
        let first = first.map(|waiter| (waiter.since, kind(&waiter.opening)));
        self.shared.waits(self.worker, queue.len(), first);
        self.shared.seeks(self.worker, self.unserved().is_some());
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
        self.hand_out_idle();
        if self.failures.get() > 0 && self.unserved().is_some() {
            // The server lets nobody else in: what is idle elsewhere is all that there is.
            self.ask_for_donation();
        }
        while let Some(index) = self.unserved()
            && self.may_open()
        {
            let opening = self.queue.borrow()[index].opening.clone();
            let Some(permit) = self.shared.permit().or_else(|| self.make_room()) else {
                return self.ask_others();
            };
            self.open(permit, opening);
        }
    }

    /// Keeps so many idle server connections ready, such as the last client needed.
    pub(crate) fn fill(self: &Rc<Self>, min_idle: usize) {
        let opening = self.wanted.borrow().clone();
        let idle = self.idle.borrow();
        let fitting = idle.iter().filter(|server| server.fits(&opening)).count();
        drop(idle);
        let ready = fitting + self.opening.borrow().len();
        if ready < min_idle
            && self.may_open()
            && self.shared.refused.now(self.shared.generation()).is_none()
            && !self.shared.is_paused()
            && let Some(permit) = self.shared.permit()
        {
            self.open(permit, opening);
        }
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
        let wanted = self.wanted.borrow().clone();
        let (mut kept, mut ready) = (Vec::new(), 0);
        for mut server in std::mem::take(&mut *self.idle.borrow_mut()) {
            let idle_for = now.since(server.about.used.get());
            let too_long = settings
                .idle_timeout
                .get()
                .is_some_and(|limit| idle_for > limit)
                && (ready >= min_idle || !server.fits(&wanted));
            if server.health() == Health::Dead {
                info!(server_id = server.about.card.id, pool = %self.name(), "server closed an idle connection");
                self.counters.discards.add("server_gone");
                continue;
            }
            let reason = if paused {
                "paused"
            } else if server.about.card.generation != generation {
                "replaced"
            } else if server.is_expired(now) || server.is_retired() {
                "age"
            } else if too_long || is_left && is_retired {
                "idle"
            } else {
                ready += usize::from(server.fits(&wanted));
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
            && self.opening.borrow().is_empty()
            && self.counters.clients.get() == 0
    }
}
