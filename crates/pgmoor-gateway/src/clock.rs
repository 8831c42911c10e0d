//! Time as the data path keeps it: microseconds since the process began.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment, comparable between workers, that fits an atomic. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        Instant::now()
            .checked_sub(Duration::from_secs(1))
            .unwrap_or_else(Instant::now)
    })
}

impl Moment {
    pub(crate) fn now() -> Self {
        let micros = origin().elapsed().as_micros();
        Self(u64::try_from(micros).unwrap_or(u64::MAX).max(1))
    }

    pub(crate) fn micros(self) -> u64 {
        self.0
    }

    pub(crate) fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From `earlier` to here; zero when that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// So much later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().since(self)
    }
}
