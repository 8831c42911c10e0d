//! What pools have counted, summed up by database, since the start and over the last minute.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::counters::{BOUNDS, CLASSES, DISCARDS, Histogram, PINS, PoolCounters};
use crate::pool::SharedPool;

/// Samples that are kept: the oldest is a minute old.
const SAMPLES: usize = 7;
/// How often a sample is taken.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// What a histogram held at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buckets {
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    pub(crate) micros: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            counts: [0; BOUNDS.len() + 1],
            micros: 0,
        }
    }
}

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        Self {
            counts: histogram.counts(),
            micros: histogram.sum_micros(),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration that this share of all stayed below; `None` when there were none.
    ///
    /// Within a bucket the durations are taken to be spread evenly.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = share * self.count() as f64;
        let mut below = 0.0;
        for (index, &count) in self.counts.iter().enumerate() {
            let through = below + count as f64;
            if count > 0 && through >= wanted {
                let low = index.checked_sub(1).map_or(0, |index| BOUNDS[index]) as f64;
                let high = BOUNDS.get(index).map_or(low, |&bound| bound as f64);
                let micros = low + (high - low) * ((wanted - below) / count as f64);
                return Some(Duration::from_micros(micros as u64));
            }
            below = through;
        }
        None
    }

    /// How many took certainly longer than `limit`.
    pub(crate) fn count_above(&self, limit: Duration) -> u64 {
        let first = BOUNDS.partition_point(|&bound| u128::from(bound) < limit.as_micros()) + 1;
        self.counts.get(first..).unwrap_or_default().iter().sum()
    }

    /// The mean in microseconds; 0 when there were none.
    pub(crate) fn mean_micros(&self) -> u64 {
        self.micros.checked_div(self.count()).unwrap_or(0)
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own = with(*own, other);
        }
        self.micros = with(self.micros, other.micros);
    }
}

/// What was counted for a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) transactions: u64,
    pub(crate) queries: u64,
    pub(crate) errors: u64,
    pub(crate) client_received: u64,
    pub(crate) client_sent: u64,
    pub(crate) server_received: u64,
    pub(crate) server_sent: u64,
    pub(crate) client_parses: u64,
    pub(crate) server_parses: u64,
    pub(crate) binds: u64,
    pub(crate) evictions: u64,
    pub(crate) timeouts: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) discards: [u64; DISCARDS.len()],
    pub(crate) pins: [u64; PINS],
    pub(crate) server_errors: [u64; CLASSES.len()],
    pub(crate) wait: Buckets,
    pub(crate) query: Buckets,
    pub(crate) transaction: Buckets,
    pub(crate) connect: Buckets,
}

impl Default for Totals {
    fn default() -> Self {
        Self::of(&PoolCounters::default())
    }
}

impl Totals {
    fn of(counters: &PoolCounters) -> Self {
        Self {
            transactions: counters.transactions.get(),
            queries: counters.queries.get(),
            errors: counters.errors.get(),
            client_received: counters.client_received.get(),
            client_sent: counters.client_sent.get(),
            server_received: counters.server_received.get(),
            server_sent: counters.server_sent.get(),
            client_parses: counters.client_parses.get(),
            server_parses: counters.server_parses.get(),
            binds: counters.binds.get(),
            evictions: counters.evictions.get(),
            timeouts: counters.timeouts.get(),
            opened: counters.server_opened.get(),
            failed: counters.server_failed.get(),
            discards: counters.discards.read(),
            pins: std::array::from_fn(|index| counters.pins[index].get()),
            server_errors: counters.server_errors.read(),
            wait: Buckets::of(&counters.wait),
            query: Buckets::of(&counters.query),
            transaction: Buckets::of(&counters.transaction),
            connect: Buckets::of(&counters.connect),
        }
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut u64> {
        [
            &mut self.transactions,
            &mut self.queries,
            &mut self.errors,
            &mut self.client_received,
            &mut self.client_sent,
            &mut self.server_received,
            &mut self.server_sent,
            &mut self.client_parses,
            &mut self.server_parses,
            &mut self.binds,
            &mut self.evictions,
            &mut self.timeouts,
            &mut self.opened,
            &mut self.failed,
        ]
        .into_iter()
        .chain(&mut self.discards)
        .chain(&mut self.pins)
        .chain(&mut self.server_errors)
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64 + Copy) {
        let mut other = other.clone();
        for (own, other) in self.numbers().zip(other.numbers()) {
            *own = with(*own, *other);
        }
        self.wait.combine(&other.wait, with);
        self.query.combine(&other.query, with);
        self.transaction.combine(&other.transaction, with);
        self.connect.combine(&other.connect, with);
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: &Self) {
        self.combine(other, u64::wrapping_add);
    }

    /// What was counted since.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        difference.combine(earlier, u64::saturating_sub);
        difference
    }
}

/// What was counted, by database.
pub(crate) type ByDatabase = BTreeMap<Arc<str>, Totals>;

/// Sums up what all workers have counted.
pub(crate) fn sum(pools: &[Arc<SharedPool>]) -> ByDatabase {
    let mut totals = ByDatabase::new();
    for pool in pools {
        let total = totals.entry(pool.key.database.clone()).or_default();
        for desk in &pool.desks {
            total.add(&Totals::of(&desk.counters));
        }
    }
    totals
}

/// What pools had counted that are no more.
#[derive(Debug, Default)]
pub(crate) struct Departed(Mutex<ByDatabase>);

impl Departed {
    fn totals(&self) -> MutexGuard<'_, ByDatabase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, pool: &SharedPool) {
        let mut totals = self.totals();
        let total = totals.entry(pool.key.database.clone()).or_default();
        for desk in &pool.desks {
            total.add(&Totals::of(&desk.counters));
        }
    }

    pub(crate) fn add_to(&self, totals: &mut ByDatabase) {
        for (name, counted) in self.totals().iter() {
            totals.entry(name.clone()).or_default().add(counted);
        }
    }

    /// Forgets all other databases.
    pub(crate) fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        self.totals().retain(|name, _| is_kept(name));
    }
}

/// The sums of the last minute. One worker adds to it, every ten seconds.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<(Moment, ByDatabase)>>);

impl History {
    pub(crate) fn sample(&self, now: Moment, totals: ByDatabase) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, totals));
        if samples.len() > SAMPLES {
            samples.pop_front();
        }
    }

    /// How long ago the oldest sample was taken, and what has been counted since; without any,
    /// that is everything since `start`.
    pub(crate) fn recent(
        &self,
        now: Moment,
        start: Moment,
        totals: &ByDatabase,
    ) -> (Duration, ByDatabase) {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((then, earlier)) = samples.front() else {
            return (now.since(start), totals.clone());
        };
        let since = totals.iter().map(|(name, totals)| {
            let difference = match earlier.get(name) {
                Some(earlier) => totals.since(earlier),
                None => totals.clone(),
            };
            (name.clone(), difference)
        });
        (now.since(*then), since.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let histogram = Histogram::default();
        for _ in 0..99 {
            histogram.observe(Duration::from_micros(700));
        }
        histogram.observe(Duration::from_secs(1));

        let buckets = Buckets::of(&histogram);

        let median = buckets.quantile(0.5).expect("there are some");
        assert!((500..=1_000).contains(&median.as_micros()), "{median:?}");
        let worst = buckets.quantile(1.0).expect("there are some");
        assert_eq!(worst, Duration::from_secs(1));
        assert_eq!(Buckets::default().quantile(0.5), None);
        assert_eq!(buckets.count_above(Duration::from_millis(1)), 1);
        assert_eq!(buckets.count_above(Duration::from_micros(500)), 100);
        assert_eq!(buckets.count_above(Duration::from_secs(1)), 0);
    }

    #[test]
    fn the_last_minute_is_what_was_counted_since_its_oldest_sample() {
        let at = |seconds: u64| Moment::from_micros(seconds * 1_000_000);
        let counted = |queries: u64| {
            let totals = Totals {
                queries,
                ..Totals::default()
            };
            ByDatabase::from([("app".into(), totals)])
        };
        let history = History::default();
        let (whole, all) = history.recent(at(5), at(1), &counted(3));
        assert_eq!((whole.as_secs(), all["app"].queries), (4, 3));

        for step in 1..=8 {
            history.sample(at(step * 10), counted(step * 100));
        }
        let (period, recent) = history.recent(at(85), at(1), &counted(850));

        assert_eq!((period.as_secs(), recent["app"].queries), (65, 650));
    }
}
