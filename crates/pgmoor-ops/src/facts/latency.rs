//! How long a round trip takes.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::session::Session;

/// Round trips that are measured, and those before them that are not.
const PROBES: usize = 30;
const WARM_UP: usize = 3;

/// How long round trips took, shortest first.
#[derive(Debug, Clone)]
pub struct Latency {
    round_trips: Vec<Duration>,
}

impl Latency {
    /// From measured round trips, at least one.
    pub fn of(mut round_trips: Vec<Duration>) -> Self {
        round_trips.sort();
        Self { round_trips }
    }

    /// How many were measured.
    pub fn count(&self) -> usize {
        self.round_trips.len()
    }

    /// The round trip that this share of all is no longer than: 0.5 is the median.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.round_trips.len().saturating_sub(1);
        // Shares are between 0 and 1, and there are few round trips.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let index = (last as f64 * share).ceil() as usize;
        self.round_trips.get(index).copied().unwrap_or_default()
    }
}

/// Measures, all of it within `limit`; what was measured by then counts, where it is anything.
pub(super) async fn read(session: &Session, limit: Duration) -> Result<Latency, Error> {
    let deadline = Instant::now() + limit;
    let mut round_trips = Vec::with_capacity(PROBES);
    for number in 0..WARM_UP + PROBES {
        let left = deadline.saturating_duration_since(Instant::now());
        let started = Instant::now();
        let probe = session.client().simple_query("select 1");
        match session.within("measure a round trip", left, probe).await {
            Ok(_) if number >= WARM_UP => round_trips.push(started.elapsed()),
            Ok(_) => {}
            Err(Error::Timeout { .. }) if !round_trips.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Latency::of(round_trips))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_measured() {
        let milliseconds = (1..=30).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(milliseconds);

        assert_eq!(latency.quantile(0.5), Duration::from_millis(16));
        assert_eq!(latency.quantile(0.99), Duration::from_millis(30));
        assert_eq!(latency.quantile(0.0), Duration::from_millis(1));
    }
}
