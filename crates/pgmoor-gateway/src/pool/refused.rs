//! A server that refuses the login for a reason that waiting does not mend: asked again after a
//! while, not by every client. Each attempt may count against the user there, and costs the server
//! a process.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pgmoor::connector::ConnectError;

use crate::clock::Moment;

/// Times until the server is asked again grow from the first to the last. The last is how long a
/// password may stay wrong after somebody has mended it at the server, which nobody tells us.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(1500));

/// The last refusal, until the server lets somebody in. Shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Refused(ArcSwapOption<Refusal>);

#[derive(Debug)]
struct Refusal {
    error: Arc<ConnectError>,
    /// Of the pool, when the server was asked.
    generation: u64,
    wait: Duration,
    until: Moment,
}

impl Refused {
    /// The server refused: nobody asks it again for a while.
    pub(super) fn note(&self, error: &Arc<ConnectError>, generation: u64) {
        let before = self.0.load();
        let now = Moment::now();
        let wait = match &*before {
            // Asked by another worker at the same time.
            Some(before) if now < before.until => before.wait,
            Some(before) => (before.wait * 2).min(AGAIN.1),
            None => AGAIN.0,
        };
        self.0.store(Some(Arc::new(Refusal {
            error: error.clone(),
            generation,
            wait,
            until: now.after(wait),
        })));
    }

    /// Why the server is not asked now, and for how long.
    pub(super) fn now(&self, generation: u64) -> Option<(Arc<ConnectError>, Duration)> {
        let refusal = self.0.load();
        let refusal = refusal.as_ref()?;
        if refusal.generation != generation {
            return None;
        }
        let left = refusal.until.since(Moment::now());
        (left > Duration::ZERO).then(|| (refusal.error.clone(), left))
    }

    /// The server let somebody in, or is another one now, or is asked otherwise.
    pub(super) fn forget(&self) {
        self.0.store(None);
    }
}
