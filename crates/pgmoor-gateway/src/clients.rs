//! The clients of one worker, as they can be listed, cancelled and ended.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use pgmoor::stream::Peer;
use subtle::ConstantTimeEq;

use crate::clock::Moment;
use crate::pool::{Card, Delivered};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has no server connection and wants none.
    Idle,
    /// It waits for one.
    Waiting,
    /// It has one.
    Active,
}

/// What a client's session is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// End as soon as no transaction is open.
    Leave,
    /// End now: by an administrator.
    Kill,
    /// End now: what it runs takes too long, and the server does not cancel it.
    QueryTimeout,
    /// End now: silent for too long.
    IdleTimeout,
    /// End now: silent for too long in a transaction.
    IdleInTransaction,
}

/// One logged-in client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its number, which it knows as its process id.
    pub(crate) id: u32,
    key: Box<[u8]>,
    pub(crate) user: Arc<str>,
    pub(crate) database: Arc<str>,
    pub(crate) application_name: String,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<String>,
    pub(crate) connected: Moment,
    pub(crate) doing: Cell<Doing>,
    /// Since when it does that.
    pub(crate) since: Cell<Moment>,
    /// When it last said something, or was answered.
    pub(crate) heard: Cell<Moment>,
    /// When the statement that runs was sent; `None` when none does.
    pub(crate) running: Cell<Option<Moment>>,
    pub(crate) in_transaction: Cell<bool>,
    pub(crate) held: RefCell<Option<Arc<Card>>>,
    /// Its prepared statements, and those on its server connection, when it was last answered.
    pub(crate) prepared: Cell<(usize, usize)>,
    order: Cell<Option<Order>>,
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What is known of a client when it has logged in.
pub(crate) struct Introduction {
    pub(crate) id: u32,
    pub(crate) key: Box<[u8]>,
    pub(crate) user: Arc<str>,
    pub(crate) database: Arc<str>,
    pub(crate) application_name: String,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<String>,
}

impl Client {
    pub(crate) fn new(who: Introduction) -> Rc<Self> {
        let now = Moment::now();
        Rc::new(Self {
            id: who.id,
            key: who.key,
            user: who.user,
            database: who.database,
            application_name: who.application_name,
            peer: who.peer,
            tls: who.tls,
            connected: now,
            doing: Cell::new(Doing::Idle),
            since: Cell::new(now),
            heard: Cell::new(now),
            running: Cell::new(None),
            in_transaction: Cell::new(false),
            held: RefCell::default(),
            prepared: Cell::new((0, 0)),
            order: Cell::new(None),
            cancelled: Cell::new(false),
            waker: RefCell::default(),
        })
    }

    /// What it has been told to do.
    #[inline]
    pub(crate) fn order(&self) -> Option<Order> {
        self.order.get()
    }

    /// Tells its session to end; a stronger order stays.
    pub(crate) fn give_order(&self, order: Order) {
        if self.order.get().is_none_or(|before| before == Order::Leave) {
            self.order.set(Some(order));
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whom to wake when there is an order.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if !own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    /// Whether somebody has asked to cancel what it runs, since this was last asked.
    pub(crate) fn takes_cancel(&self) -> bool {
        self.cancelled.take()
    }

    /// Cancels what it runs, once.
    pub(crate) fn cancel_running(&self) {
        if self.running.get().is_some()
            && !self.cancelled.replace(true)
            && let Some(held) = self.held.borrow().clone()
        {
            held.cancel(None);
        }
    }

    /// What it runs needs no server connection, as a command of the admin database, or has none yet.
    fn note_cancel(&self) {
        if self.running.get().is_some() || self.doing.get() == Doing::Waiting {
            self.cancelled.set(true);
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// A statement begins or all are answered.
    #[inline]
    pub(crate) fn runs(&self, since: Option<Moment>) {
        self.running.set(since);
        self.cancelled.set(false);
    }
}

/// All clients of one worker.
#[derive(Debug, Default)]
pub(crate) struct Clients(RefCell<HashMap<u32, Rc<Client>>>);

impl Clients {
    pub(crate) fn enter(&self, client: Rc<Client>) {
        self.0.borrow_mut().insert(client.id, client);
    }

    pub(crate) fn leave(&self, id: u32) {
        let mut clients = self.0.borrow_mut();
        clients.remove(&id);
        if clients.is_empty() {
            clients.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.borrow().contains_key(&id)
    }

    pub(crate) fn each(&self, mut visit: impl FnMut(&Rc<Client>)) {
        self.0.borrow().values().for_each(&mut visit);
    }

    /// Cancels what a client runs; gives `delivered` back when number and key are no client's.
    pub(crate) fn cancel(&self, id: u32, key: &[u8], delivered: Delivered) -> Option<Delivered> {
        let client = self.0.borrow().get(&id).cloned();
        let Some(client) = client.filter(|client| bool::from(client.key.ct_eq(key))) else {
            return Some(delivered);
        };
        match client.held.borrow().clone() {
            Some(held) => held.cancel(Some(delivered)),
            None => client.note_cancel(),
        }
        None
    }

    /// Ends a client; `false` when there is none of this number.
    pub(crate) fn kill(&self, id: u32) -> bool {
        let client = self.0.borrow().get(&id).cloned();
        client
            .inspect(|client| client.give_order(Order::Kill))
            .is_some()
    }
}
