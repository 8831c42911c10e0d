//! What came of the last attempts to connect to a database's server.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pgmoor::connector::ConnectError;

use crate::clock::Moment;

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) at: Moment,
    /// With its causes.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) sqlstate: String,
    /// Whether it may succeed without anybody changing anything.
    pub(crate) retryable: bool,
}

/// What came of the last attempts. Written when a server connection is opened, read by whoever
/// looks; never on the path of a query.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Attempts>);

#[derive(Debug, Default)]
struct Attempts {
    succeeded: Option<Moment>,
    failed: Option<Failure>,
}

impl Health {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn succeeded(&self) {
        self.attempts().succeeded = Some(Moment::now());
    }

    pub(crate) fn failed(&self, error: &ConnectError) {
        self.attempts().failed = Some(Failure {
            at: Moment::now(),
            message: crate::report::chain(error),
            hint: error.hint(),
            sqlstate: error.sqlstate().as_str().to_owned(),
            retryable: error.is_retryable(),
        });
    }

    /// When an attempt last succeeded.
    pub(crate) fn last_success(&self) -> Option<Moment> {
        self.attempts().succeeded
    }

    /// The last failure, also when an attempt has succeeded since.
    pub(crate) fn last_failure(&self) -> Option<Failure> {
        self.attempts().failed.clone()
    }

    /// Whether the last attempt succeeded; `None` when there was none.
    pub(crate) fn is_good(&self) -> Option<bool> {
        let attempts = self.attempts();
        match (&attempts.succeeded, &attempts.failed) {
            (None, None) => None,
            (succeeded, failed) => Some(*succeeded >= failed.as_ref().map(|failed| failed.at)),
        }
    }
}
