//! Who gets a server connection that came free: a client here, one of another worker, nobody yet, or
//! another pool its place.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::local::Pool;
use super::server::{Parted, Server};
use super::shared::Signal;

impl Pool {
    /// Gives a clean server connection to who needs it most, or keeps it.
    pub(super) fn place(self: &Rc<Self>, mut server: Box<Server>) {
        if let Some(reason) = self.unwanted(&server) {
            self.counters.discards.add(reason);
            server.close();
            return self.help();
        }
        if self.queue.borrow().is_empty() && !self.has_needier() {
            {
                let mut idle = self.idle.borrow_mut();
                idle.push(server);
                self.show_idle(&idle);
            }
            // A client elsewhere may have begun to wait before it could see this.
            if self.has_needier()
                && let Some(server) = self.take_idle()
            {
                self.place_elsewhere(server);
            }
            return;
        }
        if let Some(neediest) = self.shared.neediest(self.worker) {
            return self.give(*server, neediest);
        }
        loop {
            let Some(waiter) = self.queue.borrow_mut().pop_front() else {
                return self.place(server);
            };
            self.counters.wait.observe(waiter.since.elapsed());
            self.counters.active_servers.change(1);
            match waiter.sender.send(Ok(server)) {
                Ok(()) => return self.show_queue(),
                Err(Ok(unsent)) => {
                    self.counters.active_servers.change(-1);
                    server = unsent;
                }
                Err(Err(_)) => return self.show_queue(),
            }
        }
    }

    /// Why a server connection that came back is not used again.
    #[inline]
    fn unwanted(&self, server: &Server) -> Option<&'static str> {
        let permit = server.about.permit.as_ref();
        if self.shared.is_paused() {
            Some("paused")
        } else if server.about.card.generation != self.shared.generation() {
            Some("replaced")
        } else if server.is_expired(server.about.used.get()) {
            // Else a busy one would never be replaced.
            Some("age")
        } else if permit.is_some_and(|permit| permit.is_needed_elsewhere(&*self.shared)) {
            Some("evicted")
        } else {
            None
        }
    }

    /// Closes the idle server connection that was not used for longest: a client of another pool
    /// needs its place.
    pub(crate) fn evict(&self) {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return;
        }
        let server = idle.remove(0);
        self.show_idle(&idle);
        drop(idle);
        self.counters.discards.add("evicted");
        server.close();
    }

    fn has_needier(&self) -> bool {
        self.shared.neediest(self.worker).is_some()
    }

    fn place_elsewhere(self: &Rc<Self>, server: Box<Server>) {
        match self.shared.neediest(self.worker) {
            Some(worker) => self.give(*server, worker),
            None => self.place(server),
        }
    }

    fn give(self: &Rc<Self>, server: Server, worker: usize) {
        let Ok(parted) = server.part() else {
            return;
        };
        let signal = Signal::Server(self.shared.clone(), Box::new(parted));
        if let Err(Signal::Server(_, parted)) = self.shared.send(worker, signal) {
            // That worker is gone, and its clients with it.
            drop(parted);
        }
    }

    /// A server connection from another worker.
    pub(crate) fn receive(self: &Rc<Self>, parted: Parted) {
        if let Ok(server) = parted.attach() {
            self.place(Box::new(server));
        }
    }

    /// A client of another worker waits.
    pub(crate) fn donate(self: &Rc<Self>, worker: usize) {
        if self.shared.desks[worker].waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(server) = self.take_idle() {
            self.give(*server, worker);
        }
    }
}
