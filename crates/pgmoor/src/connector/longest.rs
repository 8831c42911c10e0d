//! How long connecting may take in all, by libpq's rule that each address has `connect_timeout`.

use std::time::Duration;

use super::{Connector, target};

/// Addresses that a host is taken to have at most, its name's look-up counted as one.
const MAX_ADDRESSES: usize = 17;
/// No attempt takes longer than this, whatever there is to be tried.
const MAX_LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Connector {
    /// How long connecting can take when every address of every host takes all its time;
    /// `None` without `connect_timeout`, with which each has as much as the caller gives.
    pub fn longest(&self) -> Option<Duration> {
        let passes = target::passes(self.endpoint.target_session_attrs).len();
        let attempts = passes * self.endpoint.hosts.len() * MAX_ADDRESSES;
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        let one = self.endpoint.connect_timeout?;
        Some(one.saturating_mul(attempts).min(MAX_LONGEST))
    }
}
