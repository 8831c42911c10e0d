//! Who gets a server connection that came free: a client here, one of another worker, nobody yet, or
//! another pool its place.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::local::Pool;
use super::permit::Permit;
use super::server::{Parted, Server};
use super::shared::{DETOUR, Signal, Wish, kind};
use crate::parameters::Opening;

/// Why a server connection is closed that makes room for one that is opened with what another client
/// asks for, as the metrics say it.
const OTHER_PARAMETERS: &str = "startup_parameters";

impl Pool {
    /// Gives a clean server connection to who needs it most, or keeps it.
    pub(super) fn place(self: &Rc<Self>, server: Box<Server>) {
        if let Some(reason) = self.unwanted(&server) {
            self.counters.discards.add(reason);
            server.close();
            return self.help();
        }
        let kind = kind(&server.about.state.opened_with);
        match self.shared.neediest(self.worker, kind) {
            Some(worker) => self.give(*server, worker),
            None => self.serve(server),
        }
    }

    /// Gives it to the client here that waits longest of those that it fits, or keeps it. One that
    /// does not fit makes room for one that does.
    fn serve(self: &Rc<Self>, mut server: Box<Server>) {
        while let Some(index) = self.next_for(&server) {
            let Some(waiter) = self.queue.borrow_mut().remove(index) else {
                continue;
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
        if self.unserved().is_some() && self.failures.get() == 0 {
            self.counters.discards.add(OTHER_PARAMETERS);
            server.close();
            return self.help();
        }
        let opened_with = server.about.state.opened_with.clone();
        {
            let mut idle = self.idle.borrow_mut();
            idle.push(server);
            self.show_idle(&idle);
        }
        // A client elsewhere may have begun to wait before it could see this.
        let kind = kind(&opened_with);
        if let Some(worker) = self.shared.neediest(self.worker, kind)
            && let Some(server) = self.take_idle(|server| server.fits(&opened_with))
        {
            self.give(*server, worker);
        }
    }

    /// The place in the queue of the client that is to have it: the first one that it fits, unless
    /// another has waited much longer.
    fn next_for(&self, server: &Server) -> Option<usize> {
        let queue = self.queue.borrow();
        let fits = queue
            .iter()
            .position(|waiter| server.fits(&waiter.opening))?;
        if fits > 0
            && let Some(first) = self.unserved()
            && self.failures.get() == 0
            && first < fits
            && queue[fits].since.since(queue[first].since) > DETOUR
        {
            return None;
        }
        Some(fits)
    }

    /// Gives idle server connections to clients here that they fit.
    pub(super) fn hand_out_idle(self: &Rc<Self>) {
        while let Some(opening) = self.next_that_fits() {
            if let Some(server) = self.take_idle(|server| server.fits(&opening)) {
                self.place(server);
            }
        }
    }

    /// What the first client wants for whom there is an idle server connection.
    fn next_that_fits(&self) -> Option<Opening> {
        let idle = self.idle.borrow();
        let queue = self.queue.borrow();
        let mut wanted = queue.iter().map(|waiter| &waiter.opening);
        wanted
            .find(|opening| idle.iter().any(|server| server.fits(opening)))
            .cloned()
    }

    /// A permit for one more server connection, in place of an idle one that fits no client here.
    pub(super) fn make_room(&self) -> Option<Permit> {
        let has_room = self.close_idle(OTHER_PARAMETERS);
        has_room.then(|| self.shared.permit()).flatten()
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
        } else if server.is_retired() && server.was_used() {
            // One that was just opened serves all the same: there is no better.
            Some("age")
        } else if permit.is_some_and(|permit| permit.is_needed_elsewhere(&*self.shared)) {
            Some("evicted")
        } else {
            None
        }
    }

    /// A client of another pool needs the place of an idle server connection.
    pub(crate) fn evict(&self) {
        self.close_idle("evicted");
    }

    /// Closes the idle server connection that was not used for longest; `false` when there is none.
    fn close_idle(&self, reason: &'static str) -> bool {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return false;
        }
        let server = idle.remove(0);
        self.show_idle(&idle);
        drop(idle);
        self.counters.discards.add(reason);
        server.close();
        true
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

    /// A server connection from another worker, meant for a client here.
    pub(crate) fn receive(self: &Rc<Self>, parted: Parted) {
        let Ok(server) = parted.attach() else {
            return;
        };
        if self.queue.borrow().is_empty() || self.unwanted(&server).is_some() {
            self.place(Box::new(server));
        } else {
            self.serve(Box::new(server));
        }
    }

    /// A client of another worker waits.
    pub(crate) fn donate(self: &Rc<Self>, wish: Wish) {
        if self.shared.desks[wish.worker]
            .waiting
            .load(Ordering::SeqCst)
            == 0
        {
            return;
        }
        if let Some(server) = self.take_idle(|server| server.fits(&wish.opening)) {
            return self.give(*server, wish.worker);
        }
        let or_room = wish.or_room;
        if !self.shared.ask_for_donation(wish, self.worker + 1) && or_room {
            self.close_idle(OTHER_PARAMETERS);
        }
    }
}
