//! What the workers share of a pool: permits, signals, and who waits longest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pgmoor::Secret;
use tokio::sync::mpsc;

use super::health::Health;
use super::permit::{Grantor, Permit};
use super::refused::Refused;
use super::server::Parted;
use super::suspects::Suspects;
use super::welcomes::Welcomes;
use crate::clock::Moment;
use crate::counters::PoolCounters;
use crate::endpoint::{Endpoint, Tenant, admit};
use crate::parameters::{Opening, Parameters};
use crate::preparation::Preparation;
use crate::settings::PoolSettings;

/// A client elsewhere has to wait this much longer than the first one here to go before it.
const FAIRNESS: Duration = Duration::from_millis(5);
/// The same, where what came free cannot be used as it is: it was opened with other parameters than
/// that client needs, and would be closed for one that is opened anew.
pub(super) const DETOUR: Duration = Duration::from_millis(200);
/// A client waits this long for a server connection of its own worker, which will probably be back
/// sooner than another worker's could be here.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);

/// Which pool: the database that clients ask for, and the user it logs in as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub(crate) database: Arc<str>,
    /// `None` logs in with the endpoint's own credential.
    pub(crate) user: Option<Arc<str>>,
}

/// How server connections of a pool log in.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// With the endpoint's own credential.
    Endpoint,
    /// With the password that the client gave.
    Password(Secret<String>),
    /// With the keys that a client's SCRAM login gave.
    Keys {
        client: Secret<[u8; 32]>,
        server: Secret<[u8; 32]>,
    },
}

impl Login {
    /// Compared in a time that tells something of the secrets, but both were proven already.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Endpoint, Self::Endpoint) => true,
            (Self::Password(own), Self::Password(other)) => own.expose() == other.expose(),
            (
                Self::Keys { client, server },
                Self::Keys {
                    client: other_client,
                    server: other_server,
                },
            ) => {
                client.expose() == other_client.expose() && server.expose() == other_server.expose()
            }
            _ => false,
        }
    }
}

/// A database that clients ask for, as all workers see it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: Arc<str>,
    /// Its name at the server, where the configuration says it.
    pub(crate) dbname: ArcSwap<Option<String>>,
    pub(crate) settings: ArcSwap<PoolSettings>,
    pub(crate) endpoint: ArcSwap<Endpoint>,
    /// The endpoint that the configuration names; a switch may have gone to another.
    pub(crate) configured: ArcSwap<String>,
    /// Clients wait instead of getting a server connection.
    pub(crate) paused: AtomicBool,
    /// No client is let in any more.
    pub(crate) disabled: AtomicBool,
    /// What has to be done before clients are let in.
    pub(crate) preparation: Preparation,
    /// A reload took it away: it ends with the clients that it has.
    pub(crate) retired: AtomicBool,
    /// What came of the last attempts to connect to its server.
    pub(crate) health: Health,
    /// Server connections of an earlier generation are closed when they come back.
    pub(crate) generation: AtomicU64,
    /// How often its clients were ended: what they left running is not waited for any more.
    pub(crate) kills: AtomicU64,
    /// Server processes that were not seen to end.
    pub(crate) suspects: Suspects,
}

impl Database {
    /// Its name at a server of `endpoint`: what the configuration says, else what the endpoint's
    /// address does, else the name that clients ask for. Never the user's, which libpq would take.
    pub(crate) fn name_at(&self, endpoint: &Endpoint) -> String {
        let configured = self.dbname.load();
        let address = endpoint.connector.endpoint();
        let name = (configured.as_deref()).or(address.dbname.as_deref());
        name.unwrap_or(&self.name).to_owned()
    }
}

/// What a worker is asked to do for a pool, by another worker or by itself.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A server connection for a client that waits there.
    Server(Arc<SharedPool>, Box<Parted>),
    /// A client waits at another worker: give it an idle server connection if there is one.
    Donate(Arc<SharedPool>, Wish),
    /// Look whether a waiting client can be helped now.
    Nudge(Arc<SharedPool>),
    /// A client of another pool needs its place: close the idle server connection that was not used
    /// for longest.
    Evict(Arc<SharedPool>),
}

/// What a client is given that no server connection of its own worker is for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Where it waits.
    pub(super) worker: usize,
    /// What its server connection has to be opened with.
    pub(super) opening: Opening,
    /// Where no idle server connection is like that, one of the others is to make room.
    pub(super) or_room: bool,
}

/// The ways to the workers. No more signals are under way than there are clients waiting and
/// server connections.
#[derive(Debug, Clone)]
pub(crate) struct Signals(pub(crate) Arc<[mpsc::UnboundedSender<Signal>]>);

impl Signals {
    /// Gives the signal back when the worker is gone.
    pub(crate) fn send(&self, worker: usize, signal: Signal) -> Result<(), Signal> {
        match self.0.get(worker) {
            Some(sender) => sender.send(signal).map_err(|unsent| unsent.0),
            None => Err(signal),
        }
    }
}

/// What one worker shows of its part of the pool.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Clients that wait.
    pub(crate) waiting: AtomicUsize,
    /// Since when the first of them does ([`Moment`]); 0 for none.
    pub(crate) oldest: AtomicU64,
    /// The [`kind`] of server connection that this one needs.
    kind: AtomicUsize,
    /// A client waits for whom no server connection is being opened.
    unserved: AtomicBool,
    /// Server connections that are free.
    pub(crate) idle: AtomicUsize,
    /// Since when the one is that was not used for longest ([`Moment`]); 0 for none.
    pub(crate) idle_since: AtomicU64,
    pub(crate) counters: Arc<PoolCounters>,
}

impl Desk {
    /// Whether a server connection will come back without anybody's help.
    pub(super) fn expects_servers(&self) -> bool {
        self.counters.active_servers.get() > 0
    }
}

/// Tells apart what server connections are opened with. The same for clients that share what is kept
/// in [`Welcomes`]; that it may differ for some that are equal costs them a longer wait.
pub(super) fn kind(opening: &Opening) -> usize {
    opening.as_ref().map_or(0, Parameters::address)
}

/// A pool as all workers see it.
#[derive(Debug)]
pub(crate) struct SharedPool {
    pub(crate) key: PoolKey,
    pub(crate) database: Arc<Database>,
    pub(crate) login: ArcSwap<Login>,
    pub(crate) desks: Box<[Desk]>,
    pub(crate) welcomes: Welcomes,
    /// How often clients have changed the schema.
    pub(crate) schema: AtomicU64,
    /// Why the server lets nobody in, while it is not asked again.
    pub(super) refused: Refused,
    open: AtomicUsize,
    waiting: AtomicUsize,
    signals: Signals,
}

impl SharedPool {
    pub(crate) fn new(
        key: PoolKey,
        database: Arc<Database>,
        login: Login,
        signals: Signals,
    ) -> Self {
        Self {
            key,
            database,
            login: ArcSwap::from_pointee(login),
            desks: signals.0.iter().map(|_| Desk::default()).collect(),
            welcomes: Welcomes::default(),
            schema: AtomicU64::new(0),
            refused: Refused::default(),
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            signals,
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.database.paused.load(Ordering::SeqCst)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.database.generation.load(Ordering::SeqCst)
    }

    /// Clients of all workers that wait for a server connection.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn has_clients(&self) -> bool {
        let clients = |desk: &Desk| desk.counters.clients.get();
        self.desks.iter().any(|desk| clients(desk) > 0)
    }

    /// Whether it has as many server connections as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.open() >= self.database.settings.load().size.get() as usize
    }

    /// What was learned of the server may be true no more: the configuration or the endpoint changed.
    pub(crate) fn forget_server(&self) {
        self.welcomes.forget();
        self.refused.forget();
    }

    /// How server connections log in from now on.
    pub(crate) fn set_login(&self, login: Login) {
        if !self.login.load().is_same_as(&login) {
            self.login.store(Arc::new(login));
            self.refused.forget();
        }
    }

    /// A permit for one more server connection.
    pub(crate) fn permit(self: &Arc<Self>) -> Option<Permit> {
        let size = self.database.settings.load().size.get() as usize;
        if !admit(&self.open, size) {
            return None;
        }
        let permit = Permit::new(self.clone());
        match self.database.endpoint.load().admit(self) {
            Some(admission) => Some(permit.at(admission)),
            None => {
                permit.return_silently();
                None
            }
        }
    }

    /// A client of this worker begins or ceases to wait; `first` is since when the first one does,
    /// and what kind of server connection it needs.
    pub(super) fn waits(&self, worker: usize, count: usize, first: Option<(Moment, usize)>) {
        let desk = &self.desks[worker];
        let before = desk.waiting.swap(count, Ordering::SeqCst);
        let (oldest, kind) = first.map_or((0, 0), |(since, kind)| (since.micros(), kind));
        desk.kind.store(kind, Ordering::SeqCst);
        desk.oldest.store(oldest, Ordering::SeqCst);
        desk.counters.waiting_clients.set(count as u64);
        desk.counters.oldest_wait.set(oldest);
        if count >= before {
            self.waiting.fetch_add(count - before, Ordering::SeqCst);
        } else {
            self.waiting.fetch_sub(before - count, Ordering::SeqCst);
        }
    }

    /// Whether a client of this worker waits for whom no server connection is being opened.
    pub(super) fn seeks(&self, worker: usize, unserved: bool) {
        self.desks[worker]
            .unserved
            .store(unserved, Ordering::SeqCst);
    }

    /// The worker whose client should have a server connection of this kind that came free at
    /// `worker`, or its place.
    pub(super) fn neediest(&self, worker: usize, kind: usize) -> Option<usize> {
        let own = &self.desks[worker];
        if self.waiting.load(Ordering::SeqCst) == own.waiting.load(Ordering::Relaxed) {
            return None;
        }
        let before = |moment: u64, by: Duration| {
            moment.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX))
        };
        let (limit, detour, is_spare) = match own.oldest.load(Ordering::Relaxed) {
            0 => {
                let limit = before(Moment::now().micros(), PATIENCE);
                (limit, limit, true)
            }
            oldest => (before(oldest, FAIRNESS), before(oldest, DETOUR), false),
        };
        self.desks
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != worker)
            .map(|(index, desk)| (index, desk, desk.oldest.load(Ordering::SeqCst)))
            .filter(|(_, desk, oldest)| {
                let limit = if desk.kind.load(Ordering::SeqCst) == kind {
                    limit
                } else if desk.unserved.load(Ordering::SeqCst) {
                    detour
                } else {
                    return false;
                };
                *oldest != 0 && (*oldest < limit || is_spare && !desk.expects_servers())
            })
            .min_by_key(|&(_, _, oldest)| oldest)
            .map(|(index, _, _)| index)
    }

    /// Asks a worker that has idle server connections, of those from `first` on, to grant a client
    /// its wish; `false` when there is none.
    pub(super) fn ask_for_donation(self: &Arc<Self>, wish: Wish, first: usize) -> bool {
        let desks = self.desks.iter().enumerate().skip(first);
        let donor = desks
            .filter(|(index, _)| *index != wish.worker)
            .find(|(_, desk)| desk.idle.load(Ordering::SeqCst) > 0);
        donor.is_some_and(|(donor, _)| {
            let signal = Signal::Donate(self.clone(), wish);
            self.signals.send(donor, signal).is_ok()
        })
    }

    pub(crate) fn send(&self, worker: usize, signal: Signal) -> Result<(), Signal> {
        self.signals.send(worker, signal)
    }

    /// Wakes the worker whose client waits longest: a permit came free.
    fn nudge(self: &Arc<Self>) {
        if let Some((worker, _)) = self.earliest(|desk| &desk.oldest) {
            let _ = self.signals.send(worker, Signal::Nudge(self.clone()));
        }
    }

    /// The worker that shows the earliest of these moments, and the moment.
    fn earliest(&self, shown: impl Fn(&Desk) -> &AtomicU64) -> Option<(usize, Moment)> {
        let moments = self
            .desks
            .iter()
            .map(|desk| shown(desk).load(Ordering::SeqCst));
        let (worker, earliest) = moments
            .enumerate()
            .filter(|&(_, moment)| moment != 0)
            .min_by_key(|&(_, moment)| moment)?;
        Some((worker, Moment::from_micros(earliest)))
    }
}

impl Tenant for SharedPool {
    fn waits_since(&self) -> Option<Moment> {
        self.earliest(|desk| &desk.oldest).map(|(_, since)| since)
    }

    fn idle_since(&self) -> Option<Moment> {
        self.earliest(|desk| &desk.idle_since)
            .map(|(_, since)| since)
    }

    fn evict(self: Arc<Self>) {
        if let Some((worker, _)) = self.earliest(|desk| &desk.idle_since) {
            let _ = self.signals.send(worker, Signal::Evict(self.clone()));
        }
    }

    fn wake(self: Arc<Self>) {
        self.nudge();
    }
}

impl Grantor for SharedPool {
    fn returned(self: Arc<Self>, silently: bool) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        if !silently && self.waiting.load(Ordering::SeqCst) > 0 {
            self.nudge();
        }
    }
}
