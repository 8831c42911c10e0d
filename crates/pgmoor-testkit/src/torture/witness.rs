//! What all clients have seen so far, for those who watch: the progress, the fault, the report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::trouble::{Ended, Excuses, Trouble, is_excused};

/// How many failures are told in full; there may be thousands.
const DETAILS: usize = 20;
/// How long a recovery is waited for before it is given up.
const NO_RECOVERY: Duration = Duration::from_secs(30);

/// What is counted while clients work.
#[derive(Default)]
pub struct Witness {
    acts: AtomicU64,
    sessions: AtomicU64,
    wrong: AtomicU64,
    leaked: AtomicU64,
    hung: AtomicU64,
    unexcused: AtomicU64,
    seen: Mutex<Seen>,
    is_recovering: AtomicBool,
    /// From when on questions count, and since when they could be answered.
    healed: Mutex<Option<(Instant, Instant)>>,
    recovered: Notify,
}

#[derive(Default)]
struct Seen {
    ended: BTreeMap<String, u64>,
    details: Vec<String>,
    recoveries: Vec<Duration>,
}

/// The figures of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What clients have done.
    pub acts: u64,
    /// Sessions that were begun.
    pub sessions: u64,
    /// Answers that were not the client's own, or not what the protocol has there.
    pub wrong: u64,
    /// What sessions found of others.
    pub leaked: u64,
    /// Clients that got no answer at all.
    pub hung: u64,
    /// Sessions that ended and no fault explains it.
    pub unexcused: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness {
    /// The figures now.
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            acts: read(&self.acts),
            sessions: read(&self.sessions),
            wrong: read(&self.wrong),
            leaked: read(&self.leaked),
            hung: read(&self.hung),
            unexcused: read(&self.unexcused),
        }
    }

    /// Sessions that ended, by their last word.
    pub fn ended(&self) -> BTreeMap<String, u64> {
        lock(&self.seen).ended.clone()
    }

    /// Waits until a client is served that asked at `broken` or later, and notes how long that took
    /// from now on. To be called as soon as whatever was broken is whole again.
    ///
    /// # Errors
    ///
    /// When that takes longer than anybody would wait.
    pub async fn recovers(&self, broken: Instant) -> Result<(), String> {
        *lock(&self.healed) = Some((broken, Instant::now()));
        self.is_recovering.store(true, Ordering::Release);
        if tokio::time::timeout(NO_RECOVERY, self.recovered.notified())
            .await
            .is_err()
        {
            self.is_recovering.store(false, Ordering::Release);
            return Err(format!("no client was served for {NO_RECOVERY:?} after"));
        }
        Ok(())
    }

    pub(super) fn recoveries(&self) -> Vec<Duration> {
        lock(&self.seen).recoveries.clone()
    }

    pub(super) fn details(&self) -> Vec<String> {
        lock(&self.seen).details.clone()
    }

    pub(super) fn arrived(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was served; it asked at `asked`.
    pub(super) fn acted(&self, asked: Instant) {
        self.acts.fetch_add(1, Ordering::Relaxed);
        if self.is_recovering.load(Ordering::Acquire) {
            let mut healed = lock(&self.healed);
            if let Some((_, since)) = healed.filter(|(broken, _)| asked >= *broken) {
                *healed = None;
                self.is_recovering.store(false, Ordering::Release);
                lock(&self.seen).recoveries.push(since.elapsed());
                self.recovered.notify_one();
            }
        }
    }

    pub(super) fn note(&self, who: &str, trouble: &Trouble, excuses: Excuses) {
        let counter = match trouble {
            Trouble::Wrong(_) => &self.wrong,
            Trouble::Leaked(_) => &self.leaked,
            Trouble::Hung(_) => &self.hung,
            Trouble::Ended(Ended { code, .. }) => {
                *lock(&self.seen).ended.entry(code.clone()).or_default() += 1;
                if is_excused(code, excuses) {
                    return;
                }
                &self.unexcused
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.tell(format!("{who}: {trouble}"));
    }

    /// Keeps what a person has to read.
    pub(super) fn tell(&self, detail: String) {
        let mut seen = lock(&self.seen);
        if seen.details.len() < DETAILS {
            seen.details.push(detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_excused_only_by_the_fault_that_explains_it() {
        let witness = Witness::default();

        for (code, excuses) in [
            ("57P01", &["57P0", "08"][..]),
            ("08006", &["57P0", "08"][..]),
            ("53300", &["57P0", "08"][..]),
            ("closed", &[][..]),
        ] {
            witness.note("a client", &Trouble::ended(code, ""), excuses);
        }

        assert_eq!(witness.figures().unexcused, 2);
        assert_eq!(witness.ended().len(), 4);
        assert_eq!(
            witness.details(),
            ["a client: ended: 53300 ", "a client: ended: closed "]
        );
    }

    #[test]
    fn a_wrong_answer_is_never_excused() {
        let witness = Witness::default();

        witness.note("a client", &Trouble::Wrong("b's".into()), &["57P01", "08"]);

        assert_eq!(witness.figures().wrong, 1);
    }

    #[tokio::test]
    async fn who_asked_before_the_server_was_away_shows_no_recovery() {
        let witness = Witness::default();
        let before = Instant::now();

        let recovery = witness.recovers(Instant::now());
        let answers = async {
            tokio::task::yield_now().await;
            witness.acted(before);
            assert!(witness.recoveries().is_empty());
            witness.acted(Instant::now());
        };
        let (recovered, ()) = tokio::join!(recovery, answers);

        assert_eq!(recovered, Ok(()));
        assert_eq!(witness.recoveries().len(), 1);
    }
}
