//! How long a client waits for its own worker's server connections before others are asked.

use std::rc::Rc;

use super::local::Pool;
use super::shared::PATIENCE;

impl Pool {
    /// Asks for another worker's server connection: at once when there is no hope of one of our own,
    /// or else if none has come back in time.
    pub(super) fn ask_others(self: &Rc<Self>) {
        if !self.shared.desks[self.worker].expects_servers() {
            self.shared.ask_for_donation(self.worker);
        }
        if self.patient.replace(true) {
            return;
        }
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(PATIENCE).await;
                let oldest = pool.queue.borrow().front().map(|waiter| waiter.since);
                match oldest {
                    Some(since) if since.elapsed() >= PATIENCE => {
                        pool.shared.ask_for_donation(pool.worker);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            pool.patient.set(false);
        });
    }
}
