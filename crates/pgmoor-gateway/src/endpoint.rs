//! An endpoint as the gateway serves it: how to log in there, and how many connections it may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgmoor::connector::Connector;
use tokio::sync::Semaphore;

/// Connections at a time, beside those of pools, that ask the server about users who log in.
const QUESTIONS: usize = 4;

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

    /// A place for one more connection, given back when dropped.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admission> {
        admit(&self.open, self.max_connections.unwrap_or(usize::MAX))
            .then(|| Admission(self.clone()))
    }
}

/// One connection's place among those that an endpoint may have.
#[derive(Debug)]
pub(crate) struct Admission(Arc<Endpoint>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts one more if that stays within the limit.
pub(crate) fn admit(open: &AtomicUsize, limit: usize) -> bool {
    open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
        (open < limit).then_some(open + 1)
    })
    .is_ok()
}
