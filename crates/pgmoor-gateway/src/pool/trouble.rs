//! What clients are told while no server connection can be opened.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::ConnectError;

use super::error::CheckoutError;
use super::local::Pool;

impl Pool {
    /// Why no client needs to wait, and for how long: the server has just refused this pool for a
    /// reason that somebody has to see to, and none of its server connections is left that could
    /// come free.
    pub(super) fn hopeless(&self) -> Option<(Arc<ConnectError>, Duration)> {
        if self.shared.open() > 0 {
            return None;
        }
        self.shared.refused.now(self.shared.generation())
    }

    /// Somebody has seen to it, perhaps.
    pub(crate) fn forget_failures(&self) {
        self.failures.set(0);
        *self.last_error.borrow_mut() = None;
    }

    /// Waiting longer would help no client.
    pub(super) fn fail_all(&self, error: &Arc<ConnectError>, again: Option<Duration>) {
        let waiters = std::mem::take(&mut *self.queue.borrow_mut());
        self.show_queue();
        for waiter in waiters {
            let _ = waiter.sender.send(Err(CheckoutError::Connect {
                database: self.shared.key.database.to_string(),
                again,
                source: error.clone(),
            }));
        }
    }
}
