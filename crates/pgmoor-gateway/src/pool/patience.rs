//! How long a client waits for its own worker's server connections before others are asked.

use std::rc::Rc;

use super::local::Pool;
use super::shared::{PATIENCE, Wish};

impl Pool {
    /// Asks for another worker's server connection: at once when there is no hope of one of our own,
    /// or else if none has come back in time.
    pub(super) fn ask_others(self: &Rc<Self>) {
        if !self.shared.desks[self.worker].expects_servers() {
            self.ask_for_donation();
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
                    Some(since) if since.elapsed() >= PATIENCE => pool.ask_for_donation(),
                    Some(_) => {}
                    None => break,
                }
            }
            pool.patient.set(false);
        });
    }

    /// Asks for another worker's server connection, or for its place.
    pub(super) fn ask_for_donation(&self) {
        let unserved = self.unserved();
        // What cannot be opened needs no room.
        let or_room = unserved.is_some() && self.failures.get() == 0;
        let queue = self.queue.borrow();
        if let Some(waiter) = queue.get(unserved.unwrap_or(0)) {
            let wish = Wish {
                worker: self.worker,
                opening: waiter.opening.clone(),
                or_room,
            };
            self.shared.ask_for_donation(wish, 0);
        }
    }
}
