//! When values are fetched anew, and how often that may be tried: the connectors' rules, without a clock.

use std::time::Duration;

/// Values are fetched anew so long before their end.
pub(super) const AHEAD: Duration = Duration::from_secs(240);
const HOUR: Duration = Duration::from_secs(3_600);
/// How often the API is asked for one instance.
const INTERVAL: Duration = Duration::from_secs(30);
const BURST: u32 = 2;

/// How long after now values that are good for `left` are fetched anew: at half of it, or four minutes
/// before the end once that is less than an hour away, or at once.
pub(super) fn next(left: Duration) -> Duration {
    if left >= HOUR {
        return left / 2;
    }
    left.saturating_sub(AHEAD)
}

/// Two at once, and then one in thirty seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limiter {
    /// How many may be taken now, as of `at`; a part of one is on its way.
    tokens: f64,
    /// Since the beginning.
    at: Duration,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            tokens: f64::from(BURST),
            at: Duration::ZERO,
        }
    }
}

impl Limiter {
    /// How long it is until one may be taken.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let missing = 1.0 - self.filled(now);
        // A part of a nanosecond must not keep anybody.
        if missing < 1e-9 {
            Duration::ZERO
        } else {
            INTERVAL.mul_f64(missing)
        }
    }

    /// Takes one, now.
    pub(super) fn take(&mut self, now: Duration) {
        self.tokens = self.filled(now) - 1.0;
        self.at = now;
    }

    fn filled(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64() / INTERVAL.as_secs_f64();
        (self.tokens + passed).min(f64::from(BURST))
    }
}

/// How long is waited after the API failed with a fault of its own, `before` failures earlier.
pub(super) fn pause(before: u32, random: f64) -> Duration {
    let exponent = f64::from(before) + 1.0 + random;
    Duration::from_millis(200).mul_f64(1.618_f64.powf(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn values_are_fetched_anew_at_half_life_or_four_minutes_before_their_end() {
        for (left, wait) in [
            (24 * 60, 12 * 60),
            (60, 30),
            (59, 55),
            (10, 6),
            (5, 1),
            (4, 0),
            (1, 0),
        ] {
            assert_eq!(next(left * MINUTE), wait * MINUTE, "{left} minutes left");
        }
    }

    #[test]
    fn two_may_be_taken_at_once_and_then_one_in_thirty_seconds() {
        let mut limiter = Limiter::default();
        let start = 5 * MINUTE;
        for _ in 0..2 {
            assert_eq!(limiter.wait(start), Duration::ZERO);
            limiter.take(start);
        }
        assert_eq!(limiter.wait(start).as_secs(), 30);
        assert_eq!(limiter.wait(start + MINUTE / 4).as_secs(), 15);
        let later = start + MINUTE / 2;
        assert_eq!(limiter.wait(later), Duration::ZERO);
        limiter.take(later);
        assert_eq!(limiter.wait(later + MINUTE / 2), Duration::ZERO);
        assert_eq!(limiter.wait(later).as_secs(), 30);
    }

    #[test]
    fn pauses_grow_by_the_golden_ratio() {
        let millis = |before, random| pause(before, random).as_millis();
        assert_eq!(millis(0, 0.0), 323);
        assert_eq!(millis(0, 1.0), 523);
        assert_eq!(millis(3, 0.0), 1_370);
    }
}
