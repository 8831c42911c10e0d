//! Counters that one worker writes and everybody may read, without a lock or a locked instruction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that grows. Only its own worker adds to it.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        // One writer: a load and a store are enough, and cheaper than a locked addition.
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(amount),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. Only its own worker changes it.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn change(&self, by: i64) {
        self.set(self.get().saturating_add_signed(by));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the histogram's buckets, in microseconds.
pub(crate) const BOUNDS: [u64; 20] = [
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Durations in buckets that grow by about two.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    /// Microseconds.
    sum: Counter,
}

impl Histogram {
    #[inline]
    pub(crate) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < micros);
        self.buckets[bucket].add(1);
        self.sum.add(micros);
    }

    /// Counts by bucket, the last one without bound, and the sum in seconds.
    pub(crate) fn read(&self) -> (Vec<u64>, f64) {
        let counts = self.buckets.iter().map(Counter::get).collect();
        (counts, self.sum.get() as f64 / 1e6)
    }

    pub(crate) fn sum_micros(&self) -> u64 {
        self.sum.get()
    }
}

/// What one worker counts for one pool.
#[derive(Debug, Default)]
pub(crate) struct PoolCounters {
    /// Clients that use a server connection now.
    pub(crate) active_clients: Gauge,
    /// Clients that wait for one.
    pub(crate) waiting_clients: Gauge,
    /// Clients that are logged in.
    pub(crate) clients: Gauge,
    /// Server connections that a client uses.
    pub(crate) active_servers: Gauge,
    /// Server connections that are free.
    pub(crate) idle_servers: Gauge,
    /// Server connections that are being opened.
    pub(crate) opening_servers: Gauge,
    /// Server connections that are being reset.
    pub(crate) resetting_servers: Gauge,
    /// When the client that waits longest began to, in microseconds of [`crate::clock::Moment`]; 0 for none.
    pub(crate) oldest_wait: Gauge,
    pub(crate) transactions: Counter,
    pub(crate) queries: Counter,
    pub(crate) errors: Counter,
    /// Bytes from clients, and to them.
    pub(crate) client_received: Counter,
    pub(crate) client_sent: Counter,
    pub(crate) server_opened: Counter,
    pub(crate) server_failed: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) pins: Counter,
    pub(crate) wait: Histogram,
    pub(crate) query: Histogram,
    pub(crate) transaction: Histogram,
    pub(crate) connect: Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();

        histogram.observe(Duration::from_micros(50));
        histogram.observe(Duration::from_micros(51));
        histogram.observe(Duration::from_secs(3_600));

        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[BOUNDS.len()]), (1, 1, 1));
        assert!((sum - 3_600.000_101).abs() < 1e-9);
    }
}
