//! What happens while migrations run, for whoever watches.

use std::time::Duration;

use super::status::Way;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another process runs migrations.
    Waits {
        /// Which.
        holder: String,
        /// For how long so far.
        waited: Duration,
    },
    /// What a process left that died was put in order.
    Repaired {
        /// Which migration it was at.
        migration: String,
        /// What was done.
        what: String,
    },
    /// A migration begins.
    Begins {
        /// Which.
        migration: String,
        /// Which way.
        way: Way,
    },
    /// It did not get a lock in time, and nothing of it stays; it is tried again.
    Retries {
        /// Which migration.
        migration: String,
        /// After which pause.
        pause: Duration,
        /// What the server said.
        why: String,
    },
    /// It is done.
    Done {
        /// Which.
        migration: String,
        /// Which way.
        way: Way,
        /// How long the last attempt took.
        took: Duration,
    },
}

/// Whoever watches.
pub type Tell<'a> = &'a (dyn Fn(Event) + Send + Sync);
