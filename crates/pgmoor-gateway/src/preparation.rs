//! What has to be done to a database before its first client is let in, such as migrations of its schema.
//!
//! It is done elsewhere; here is only how it stands, and who waits for it.

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How the preparation of a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Clients are let in.
    Done,
    /// Clients wait.
    UnderWay {
        /// What is being done.
        what: String,
    },
    /// Clients are refused.
    Failed {
        /// What failed, and why.
        why: String,
        /// What can be done about it.
        hint: Option<String>,
    },
}

/// How the preparation of one database stands, for every worker.
#[derive(Debug)]
pub(crate) struct Preparation(watch::Sender<Stage>);

impl Preparation {
    /// One that is still to be done, or of which there is nothing to do.
    pub(crate) fn new(wanted: bool) -> Self {
        let stage = match wanted {
            true => Stage::UnderWay {
                what: "its preparation has not begun".into(),
            },
            false => Stage::Done,
        };
        Self(watch::Sender::new(stage))
    }

    /// How it stands.
    pub(crate) fn stage(&self) -> Stage {
        self.0.borrow().clone()
    }

    /// How it stands from now on.
    pub(crate) fn set(&self, stage: Stage) {
        self.0.send_replace(stage);
    }

    /// Waits until it is done or has failed, at most so long; how it stands then.
    ///
    /// Cancel safe.
    pub(crate) async fn settled(&self, deadline: Instant) -> Stage {
        let mut receiver = self.0.subscribe();
        let settled = receiver.wait_for(|stage| !matches!(stage, Stage::UnderWay { .. }));
        // The sender is ours, so that waiting fails by the deadline only.
        let _ = timeout_at(deadline, settled).await;
        self.stage()
    }
}
