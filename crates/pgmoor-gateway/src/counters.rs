//! Counters that one worker writes and everybody may read, without a lock or a locked instruction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

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

    /// Counts by bucket, the last one without bound.
    pub(crate) fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|index| self.buckets[index].get())
    }

    pub(crate) fn sum_micros(&self) -> u64 {
        self.sum.get()
    }
}

/// As many as [`crate::sql::PinReason`] has.
pub(crate) const PINS: usize = 9;

/// Why server connections are closed, as the metrics say it.
pub(crate) const DISCARDS: [&str; 14] = [
    "age",
    "cancel_timeout",
    "client_broke_protocol",
    "client_gone",
    "evicted",
    "idle",
    "out_of_sync",
    "paused",
    "replaced",
    "reset_failed",
    "reset_timeout",
    "server_gone",
    "startup_parameters",
    "other",
];

/// SQLSTATE classes as the metrics say them: a closed set, whatever servers send.
pub(crate) const CLASSES: [&str; 44] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42",
    "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "other",
];

/// Where an error came up, as the metrics say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Tls,
    Auth,
    Checkout,
    Server,
    Client,
    Protocol,
}

impl Stage {
    pub(crate) const ALL: [Self; 6] = [
        Self::Tls,
        Self::Auth,
        Self::Checkout,
        Self::Server,
        Self::Client,
        Self::Protocol,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Checkout => "checkout",
            Self::Server => "server",
            Self::Client => "client",
            Self::Protocol => "protocol",
        }
    }
}

/// The index of a name in a closed set whose last name stands for all others.
fn place(names: &[&str], name: &str) -> usize {
    names
        .iter()
        .position(|known| *known == name)
        .unwrap_or(names.len() - 1)
}

/// Counters by a name out of a closed set.
#[derive(Debug)]
pub(crate) struct Named<const N: usize> {
    names: &'static [&'static str; N],
    counters: [Counter; N],
}

impl<const N: usize> Named<N> {
    pub(crate) fn new(names: &'static [&'static str; N]) -> Self {
        Self {
            names,
            counters: std::array::from_fn(|_| Counter::default()),
        }
    }

    pub(crate) fn add(&self, name: &str) {
        self.counters[place(self.names, name)].add(1);
    }

    pub(crate) fn read(&self) -> [u64; N] {
        std::array::from_fn(|index| self.counters[index].get())
    }
}

/// What happens too seldom to be counted by each worker for itself.
#[derive(Debug)]
pub(crate) struct Events {
    errors: [[AtomicU64; CLASSES.len()]; Stage::ALL.len()],
    /// Reloads that succeeded, and that failed.
    reloads: [AtomicU64; 2],
    /// Seconds since 1970; 0 for never.
    reloaded: AtomicU64,
    logins: AtomicU64,
    accept_delays: AtomicU64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            errors: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            reloads: [AtomicU64::new(0), AtomicU64::new(0)],
            reloaded: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            accept_delays: AtomicU64::new(0),
        }
    }
}

impl Events {
    pub(crate) fn error(&self, stage: Stage, class: &str) {
        self.errors[stage as usize][place(&CLASSES, class)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn errors(&self, stage: Stage) -> [u64; CLASSES.len()] {
        std::array::from_fn(|class| self.errors[stage as usize][class].load(Ordering::Relaxed))
    }

    pub(crate) fn reload(&self, succeeded: bool) {
        self.reloads[usize::from(!succeeded)].fetch_add(1, Ordering::Relaxed);
        if succeeded {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let seconds = now.map_or(0, |now| now.as_secs());
            self.reloaded.store(seconds, Ordering::Relaxed);
        }
    }

    /// Reloads that succeeded, and that failed.
    pub(crate) fn reloads(&self) -> [u64; 2] {
        [0, 1].map(|index: usize| self.reloads[index].load(Ordering::Relaxed))
    }

    /// When the last reload succeeded, in seconds since 1970; 0 for never.
    pub(crate) fn reloaded(&self) -> u64 {
        self.reloaded.load(Ordering::Relaxed)
    }

    pub(crate) fn login(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn logins(&self) -> u64 {
        self.logins.load(Ordering::Relaxed)
    }

    /// Clients that wait in the kernel are not let in for a moment.
    pub(crate) fn accept_delayed(&self) {
        self.accept_delays.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn accept_delays(&self) -> u64 {
        self.accept_delays.load(Ordering::Relaxed)
    }
}

/// What one worker counts for one pool.
#[derive(Debug)]
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
    /// Server connections without a client whose process has not ended yet.
    pub(crate) closing_servers: Gauge,
    /// When the client that waits longest began to, in microseconds of [`crate::clock::Moment`]; 0 for none.
    pub(crate) oldest_wait: Gauge,
    pub(crate) transactions: Counter,
    pub(crate) queries: Counter,
    pub(crate) errors: Counter,
    /// Bytes from clients, and to them.
    pub(crate) client_received: Counter,
    pub(crate) client_sent: Counter,
    /// Bytes from servers, and to them.
    pub(crate) server_received: Counter,
    pub(crate) server_sent: Counter,
    pub(crate) server_opened: Counter,
    pub(crate) server_failed: Counter,
    pub(crate) timeouts: Counter,
    /// Sessions that keep their server connection, by why ([`crate::sql::PinReason`]).
    pub(crate) pins: [Counter; PINS],
    /// Server connections that were closed, by why.
    pub(crate) discards: Named<{ DISCARDS.len() }>,
    /// Errors that servers sent to clients, by class.
    pub(crate) server_errors: Named<{ CLASSES.len() }>,
    /// Named statements that clients prepared, that were prepared on servers, that were bound, and
    /// that were closed on servers to make room.
    pub(crate) client_parses: Counter,
    pub(crate) server_parses: Counter,
    pub(crate) binds: Counter,
    pub(crate) evictions: Counter,
    pub(crate) wait: Histogram,
    pub(crate) query: Histogram,
    pub(crate) transaction: Histogram,
    pub(crate) connect: Histogram,
}

impl Default for PoolCounters {
    fn default() -> Self {
        Self {
            active_clients: Gauge::default(),
            waiting_clients: Gauge::default(),
            clients: Gauge::default(),
            active_servers: Gauge::default(),
            idle_servers: Gauge::default(),
            opening_servers: Gauge::default(),
            resetting_servers: Gauge::default(),
            closing_servers: Gauge::default(),
            oldest_wait: Gauge::default(),
            transactions: Counter::default(),
            queries: Counter::default(),
            errors: Counter::default(),
            client_received: Counter::default(),
            client_sent: Counter::default(),
            server_received: Counter::default(),
            server_sent: Counter::default(),
            server_opened: Counter::default(),
            server_failed: Counter::default(),
            timeouts: Counter::default(),
            pins: Default::default(),
            discards: Named::new(&DISCARDS),
            server_errors: Named::new(&CLASSES),
            client_parses: Counter::default(),
            server_parses: Counter::default(),
            binds: Counter::default(),
            evictions: Counter::default(),
            wait: Histogram::default(),
            query: Histogram::default(),
            transaction: Histogram::default(),
            connect: Histogram::default(),
        }
    }
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

        let counts = histogram.counts();
        assert_eq!((counts[0], counts[1], counts[BOUNDS.len()]), (1, 1, 1));
        assert_eq!(histogram.sum_micros(), 3_600_000_101);
    }
}
