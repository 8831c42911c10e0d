//! What time it is, by both clocks, and for tests by another.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

/// A moment on both clocks. The wall's goes on while a machine sleeps and can be set back; the steady
/// one does neither. What expires has expired when either of them says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the wall clock shows.
    pub wall: SystemTime,
    /// What the steady clock shows.
    pub steady: Instant,
}

/// Where the time is taken from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// This host's.
    pub fn system() -> Self {
        Self::by(SystemTime::now)
    }

    /// A wall clock of one's own, for tests; the steady one is tokio's, which they can pause.
    pub fn by(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(wall))
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment {
            wall: (self.0)(),
            steady: Instant::now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
