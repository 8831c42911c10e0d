//! An endpoint as the gateway serves it: how to log in there, and how many connections it may have.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pgmoor::connector::Connector;
use tokio::sync::Semaphore;

use crate::clock::Moment;

/// Connections at a time, beside those of pools, that ask the server about users who log in.
const QUESTIONS: usize = 4;

/// A pool whose clients wait gives way to another's that have waited this much longer: less, and two
/// busy pools would take connections from each other all the time.
const PATIENCE: Duration = Duration::from_millis(200);
/// An idle connection that was to be closed is gone by then, or somebody had use for it.
const EVICTION: Duration = Duration::from_millis(100);

/// The parameter that tells connections of pgmoor's own from those of its clients, which bear the
/// names that their clients give.
pub(crate) fn own_name() -> (String, String) {
    ("application_name".to_owned(), "pgmoor".to_owned())
}

/// A pool that has connections at an endpoint, or wants some.
pub(crate) trait Tenant: Send + Sync + Debug {
    /// Since when its first client waits.
    fn waits_since(&self) -> Option<Moment>;
    /// Since when the idle connection that was not used for longest is idle.
    fn idle_since(&self) -> Option<Moment>;
    /// Close that one.
    fn evict(self: Arc<Self>);
    /// There is room for one more connection.
    fn wake(self: Arc<Self>);
}

/// The pools that share an endpoint's connections. Looked at only when one is opened or closed, or
/// while a pool seeks one.
#[derive(Debug, Default)]
struct Tenants {
    all: Vec<Weak<dyn Tenant>>,
    /// Those that found no room.
    seeking: Vec<Weak<dyn Tenant>>,
    evicted: Option<Moment>,
}

/// A named PostgreSQL that databases are served from.
#[derive(Debug)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub name: String,
    /// Opens and authenticates connections to it.
    pub connector: Connector,
    /// How many connections all pools together may have; `None` for no limit but their own.
    pub max_connections: Option<usize>,
    /// Tells whether a reload changed anything.
    fingerprint: u64,
    open: AtomicUsize,
    tenants: Mutex<Tenants>,
    /// Some pool seeks a connection: told without a lock.
    is_sought: AtomicBool,
    /// Whose turn it is to ask the server about a user.
    pub(crate) questions: Semaphore,
}

impl Endpoint {
    /// An endpoint with no connection yet; `fingerprint` differs when its settings do.
    pub fn new(
        name: impl Into<String>,
        connector: Connector,
        max_connections: Option<usize>,
        fingerprint: u64,
    ) -> Self {
        Self {
            name: name.into(),
            connector,
            max_connections,
            fingerprint,
            open: AtomicUsize::new(0),
            tenants: Mutex::default(),
            is_sought: AtomicBool::new(false),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// Whether the settings are the same, so that connections can go on.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether there is no room for another connection.
    pub(crate) fn is_full(&self) -> bool {
        self.max_connections
            .is_some_and(|limit| self.open() >= limit)
    }

    /// A place for one connection that is no pool's, given back when dropped.
    pub(crate) fn admit_one(self: &Arc<Self>) -> Option<Admission> {
        let limit = self.max_connections.unwrap_or(usize::MAX);
        admit(&self.open, limit).then(|| Admission(self.clone()))
    }

    /// A place for one more connection of `pool`, given back when dropped. Without room the pool is
    /// woken when there is some, and an idle connection of another pool is closed for it.
    pub(crate) fn admit(self: &Arc<Self>, pool: &Arc<impl Tenant + 'static>) -> Option<Admission> {
        if self.max_connections.is_none() {
            return self.admit_one();
        }
        let pool: Arc<dyn Tenant> = pool.clone();
        let mut tenants = self.tenants();
        enlist(&mut tenants.all, &pool);
        // Under the lock, so that room cannot come up unseen.
        let admission = self.admit_one();
        match admission {
            Some(_) => tenants.seeking.retain(|other| !is(other, &pool)),
            None => enlist(&mut tenants.seeking, &pool),
        }
        self.is_sought
            .store(!tenants.seeking.is_empty(), Ordering::SeqCst);
        let victim = match admission {
            Some(_) => None,
            None => tenants.victim_for(&pool),
        };
        drop(tenants);
        if let Some(victim) = victim {
            victim.evict();
        }
        admission
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection that comes free in a pool should be closed, because a client of another
    /// pool has waited so much longer than the pool's own.
    #[cold]
    fn is_needed_elsewhere(&self, pool: &dyn Tenant) -> bool {
        let limit = pool.waits_since().map_or(u64::MAX, |own| {
            own.micros().saturating_sub(micros(PATIENCE))
        });
        let tenants = self.tenants();
        let others = tenants.seeking.iter().filter_map(Weak::upgrade);
        others
            .filter(|other| !std::ptr::addr_eq(Arc::as_ptr(other), pool))
            .filter_map(|other| other.waits_since())
            .any(|since| since.micros() < limit)
    }

    /// Wakes the pool whose client has waited longest.
    fn wake_seeker(&self) {
        let mut tenants = self.tenants();
        tenants.evicted = None;
        tenants.seeking.retain(|pool| {
            pool.upgrade()
                .is_some_and(|pool| pool.waits_since().is_some())
        });
        let all = tenants.seeking.iter().filter_map(Weak::upgrade);
        let next = all.min_by_key(|pool| pool.waits_since());
        self.is_sought
            .store(!tenants.seeking.is_empty(), Ordering::SeqCst);
        drop(tenants);
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl Tenants {
    /// The pool that is to close an idle connection for `pool`; none while another is closing.
    fn victim_for(&mut self, pool: &Arc<dyn Tenant>) -> Option<Arc<dyn Tenant>> {
        if self.evicted.is_some_and(|since| since.elapsed() < EVICTION) {
            return None;
        }
        let others = self.all.iter().filter_map(Weak::upgrade);
        let (_, victim) = others
            .filter(|other| !Arc::ptr_eq(other, pool))
            .filter_map(|other| Some((other.idle_since()?, other)))
            .min_by_key(|(since, _)| *since)?;
        self.evicted = Some(Moment::now());
        Some(victim)
    }
}

fn is(known: &Weak<dyn Tenant>, pool: &Arc<dyn Tenant>) -> bool {
    std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(pool))
}

fn enlist(list: &mut Vec<Weak<dyn Tenant>>, pool: &Arc<dyn Tenant>) {
    if !list.iter().any(|known| is(known, pool)) {
        list.retain(|known| known.strong_count() > 0);
        list.push(Arc::downgrade(pool));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One connection's place among those that an endpoint may have.
#[derive(Debug)]
pub(crate) struct Admission(Arc<Endpoint>);

impl Admission {
    /// Whether the place should go to another pool now that `pool` needs it no more.
    #[inline]
    pub(crate) fn is_needed_elsewhere(&self, pool: &dyn Tenant) -> bool {
        self.0.is_sought.load(Ordering::Relaxed) && self.0.is_needed_elsewhere(pool)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        if self.0.is_sought.load(Ordering::SeqCst) {
            self.0.wake_seeker();
        }
    }
}

/// Counts one more if that stays within the limit.
pub(crate) fn admit(open: &AtomicUsize, limit: usize) -> bool {
    open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
        (open < limit).then_some(open + 1)
    })
    .is_ok()
}
