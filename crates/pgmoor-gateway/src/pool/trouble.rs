//! What clients are told while no server connection can be opened.

use std::sync::Arc;

use pgmoor::connector::ConnectError;

use super::error::CheckoutError;
use super::local::Pool;

impl Pool {
    /// Why no client needs to wait: the server has just refused this pool for a reason that somebody
    /// has to see to, and none of its server connections is left that could come free.
    ///
    /// So a wrong password is tried a few times a second, and not with every query of every client.
    pub(super) fn hopeless(&self) -> Option<Arc<ConnectError>> {
        if !self.retrying.get() || self.shared.open() > 0 {
            return None;
        }
        let error = self.last_error.borrow();
        error.clone().filter(|error| !error.is_retryable())
    }

    /// Somebody has seen to it, perhaps.
    pub(crate) fn forget_failures(&self) {
        self.failures.set(0);
        *self.last_error.borrow_mut() = None;
    }

    /// Waiting longer would help no client.
    pub(super) fn fail_all(&self, error: &Arc<ConnectError>) {
        let waiters = std::mem::take(&mut *self.queue.borrow_mut());
        self.show_queue();
        for waiter in waiters {
            let _ = waiter.sender.send(Err(CheckoutError::Connect {
                database: self.shared.key.database.to_string(),
                source: error.clone(),
            }));
        }
    }
}
