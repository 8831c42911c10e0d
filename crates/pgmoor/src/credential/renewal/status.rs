//! What a renewal can be asked: for metrics and for people.

use std::time::{Duration, SystemTime};

use crate::credential::{CredentialError, FailureCause};

/// How a renewed value stands.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// When the value that is held was fetched.
    pub fetched_at: Option<SystemTime>,
    /// Until when it is good, where that is known.
    pub expires_at: Option<SystemTime>,
    /// Whether there is one, and it is good still.
    pub is_valid: bool,
    /// When the next is asked for: by itself while somebody has logged in within half a day.
    pub next_renewal: Option<SystemTime>,
    /// How often one was fetched.
    pub renewals: u64,
    /// How often that failed, by cause, rejections by servers included.
    pub failures: Failures,
    /// How often it failed since it last succeeded.
    pub failures_in_a_row: u32,
    /// Why it failed last, if it did not succeed since.
    pub last_error: Option<CredentialError>,
    /// When it failed last, if it did not succeed since.
    pub last_failure_at: Option<SystemTime>,
}

impl Status {
    /// How old the value is that is held.
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        let fetched_at = self.fetched_at?;
        Some(now.duration_since(fetched_at).unwrap_or_default())
    }

    /// How long the value that is held is still good; zero when it has expired.
    pub fn time_left(&self, now: SystemTime) -> Option<Duration> {
        let expires_at = self.expires_at?;
        Some(expires_at.duration_since(now).unwrap_or_default())
    }
}

/// Failures by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures([u64; FailureCause::ALL.len()]);

impl Failures {
    /// How many there were of this cause.
    pub fn of(&self, cause: FailureCause) -> u64 {
        self.0[cause as usize]
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, cause: FailureCause) {
        self.0[cause as usize] += 1;
    }
}
