//! A client's wait for a server connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::error::CheckoutError;
use super::local::{Outcome, Pool};
use super::reset::Condition;
use super::server::Server;
use crate::clock::Moment;
use crate::parameters::Opening;

/// A client's place in the queue.
pub(crate) struct Waiting {
    pool: Rc<Pool>,
    receiver: Outcome,
    since: Moment,
    deadline: Pin<Box<Sleep>>,
    is_served: bool,
}

impl Waiting {
    /// Puts a client whose server connection has to be opened with `opening` into the pool's queue.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::QueueFull`].
    pub(crate) fn join(pool: &Rc<Pool>, opening: &Opening) -> Result<Self, CheckoutError> {
        let (receiver, since, limit) = pool.enqueue(opening)?;
        Ok(Self {
            pool: pool.clone(),
            receiver,
            since,
            deadline: Box::pin(tokio::time::sleep(limit)),
            is_served: false,
        })
    }

    pub(crate) fn since(&self) -> Moment {
        self.since
    }

    /// Ready with a server connection, or with the reason why there is none.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<Server>, CheckoutError>> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.receiver).poll(cx) {
            self.is_served = true;
            return Poll::Ready(outcome.unwrap_or_else(|_| Err(self.timed_out())));
        }
        self.deadline.as_mut().poll(cx).map(|()| {
            self.pool.counters.timeouts.add(1);
            Err(self.timed_out())
        })
    }

    fn timed_out(&self) -> CheckoutError {
        let shared = &self.pool.shared;
        let endpoint = shared.database.endpoint.load();
        let limit = endpoint.max_connections.unwrap_or(usize::MAX);
        let full =
            (endpoint.is_full() && !shared.is_full()).then(|| (endpoint.name.clone(), limit));
        CheckoutError::TimedOut {
            full,
            database: self.pool.shared.key.database.to_string(),
            waited: self.since.elapsed(),
            paused: self.pool.shared.is_paused(),
            last: self.pool.last_error.borrow().clone(),
        }
    }
}

impl Drop for Waiting {
    /// A server connection that was given at the last moment goes back.
    fn drop(&mut self) {
        if self.is_served {
            return;
        }
        self.receiver.close();
        if let Ok(Ok(server)) = self.receiver.try_recv() {
            self.pool.check_in(server, Condition::Clean);
        }
        self.pool.leave_queue(self.since);
    }
}
