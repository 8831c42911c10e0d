//! Telling those who logged in with a credential that their user is about to go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sessions end at most so long before their user goes, and within this part of what is left of its life.
const MARGIN: (Duration, u32) = (Duration::from_secs(5), 10);

/// When sessions of a credential's user should end as soon as nothing runs on them, because the user will be
/// dropped. While it can be prolonged, that moment is put off.
#[derive(Debug)]
pub struct Retired {
    /// In milliseconds since 1970.
    from: AtomicU64,
}

impl Retired {
    /// The user, who begins now, is dropped at `ends`, or never by itself.
    pub fn new(ends: Option<SystemTime>, now: SystemTime) -> Self {
        let this = Self {
            from: AtomicU64::new(u64::MAX),
        };
        this.put_off(ends, now);
        this
    }

    /// The user is dropped at `ends` only.
    pub fn put_off(&self, ends: Option<SystemTime>, now: SystemTime) {
        let from = ends.and_then(|ends| {
            let left = ends.duration_since(now).unwrap_or_default();
            ends.checked_sub(MARGIN.0.min(left / MARGIN.1))
        });
        self.from
            .store(from.map_or(u64::MAX, millis), Ordering::Relaxed);
    }

    /// Another user serves from now on.
    pub fn retire(&self) {
        self.from.store(0, Ordering::Relaxed);
    }

    /// Whether sessions should end by now.
    pub fn is_retired(&self) -> bool {
        let from = self.from.load(Ordering::Relaxed);
        from != u64::MAX && from <= millis(SystemTime::now())
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_shortly_before_their_user_unless_that_is_put_off() {
        let (now, second) = (SystemTime::now(), Duration::from_secs(1));

        let ended = Retired::new(Some(now - second), now - second * 60);
        assert!(ended.is_retired());
        let soon = Retired::new(Some(now + second * 4), now - second * 60);
        assert!(soon.is_retired(), "within the margin of five seconds");
        soon.put_off(Some(now + second * 60), now);
        assert!(!soon.is_retired());
        soon.retire();
        assert!(soon.is_retired());

        assert!(!Retired::new(None, now).is_retired());
        let short = Retired::new(Some(now + second * 4), now);
        assert!(!short.is_retired(), "the margin is a part of what is left");
    }
}
