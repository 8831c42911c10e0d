//! Facts that were read, or why they were not.

use std::fmt;

/// What its sessions are called in `pg_stat_activity`.
pub(super) const APPLICATION: &str = "pgmoor check";

/// A group of facts, or why it is not there.
pub type Reading<T> = Result<T, Unread>;

/// Why a group of facts was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// What it would be read through is missing: there is no session, or no address to open one at.
    NoGround,
    /// Nobody wanted it, or there is nothing of the kind; with the reason, as "the connection is a Unix
    /// socket".
    NotApplicable(String),
    /// Reading it failed; with the reason.
    Failed(String),
}

impl Unread {
    /// Reading failed with this error.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed(crate::error::chain(error))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGround => f.write_str("there is no session"),
            Self::NotApplicable(reason) => f.write_str(reason),
            Self::Failed(reason) => write!(f, "cannot be read: {reason}"),
        }
    }
}
