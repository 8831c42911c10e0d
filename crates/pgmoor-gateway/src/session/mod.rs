//! One logged-in client: bytes from it to a server connection and back, until it leaves.
//!
//! A client has a server connection only while it needs one. Nothing here waits for more than one
//! thing without watching the client too, and nothing is read from one side while the other side
//! does not take what was read before.

mod active;
mod end;

use std::rc::Rc;
use std::task::{Context, Poll};

use pgmoor::stream::Stream;
use pgmoor_wire::backend::{self, TransactionStatus};
use pgmoor_wire::{frame, tag};

use crate::buffers::Buffers;
use crate::clients::{Client, Doing, Order};
use crate::clock::Moment;
use crate::parameters::Opening;
use crate::pool::{Condition, Pool, Rest, Server, Waiting, is_end};
use crate::relay::Relay;
use crate::transfer::{flush, read};

pub(crate) use end::End;

/// What a client that waits for a server connection may send ahead, in bytes.
const MAX_AHEAD: usize = 64 << 10;

enum Phase {
    Idle,
    Waiting(Box<Waiting>),
    Active(Box<Server>),
}

/// One logged-in client.
pub(crate) struct Session {
    stream: Stream,
    client: Rc<Client>,
    pool: Rc<Pool>,
    buffers: Rc<Buffers>,
    relay: Box<Relay>,
    /// What its server connections have to be opened with.
    opening: Opening,
    /// From the client, not used yet: part of a message, or what it sent while it waits.
    inbox: Vec<u8>,
    /// To the client, not sent yet.
    outbox: Vec<u8>,
    phase: Phase,
    /// When the server connection was checked out.
    checked_out: Moment,
    /// The server connection has not been given this session's parameters yet.
    is_fresh: bool,
    /// Answers until this client counts as busy.
    calm: u8,
}

/// After so many answers a client is worth a place on the worker's ring.
const CALM: u8 = 16;
/// Fewer clients with server connections are served sooner, and cheaper, without it.
const COMPANY: u64 = 4;

/// What one step of work led to.
enum Step {
    /// Look again.
    Again,
    /// Nothing to do before something arrives.
    Wait,
    Over(End),
}

impl Session {
    pub(crate) fn new(
        stream: Stream,
        client: Rc<Client>,
        pool: Rc<Pool>,
        buffers: Rc<Buffers>,
        relay: Relay,
        opening: Opening,
        ahead: Vec<u8>,
    ) -> Self {
        pool.counters.clients.change(1);
        Self {
            stream,
            client,
            pool,
            buffers,
            relay: Box::new(relay),
            opening,
            inbox: ahead,
            outbox: Vec::new(),
            phase: Phase::Idle,
            checked_out: Moment::now(),
            is_fresh: false,
            calm: CALM,
        }
    }

    /// Serves the client until it leaves or has to.
    ///
    /// Cancel safe: dropped in the middle, the server connection is closed, not reused.
    pub(crate) async fn run(&mut self) -> End {
        if let Some(end) = self.take_what_came_ahead() {
            return self.end(end);
        }
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// A client may have sent its first statement along with the login.
    fn take_what_came_ahead(&mut self) -> Option<End> {
        let ahead = std::mem::take(&mut self.inbox);
        if ahead.is_empty() {
            return None;
        }
        let step = match self.phase {
            Phase::Idle => self.wants(&ahead),
            Phase::Waiting(_) | Phase::Active(_) => self.take_from_client(&ahead),
        };
        match step {
            Step::Over(end) => Some(end),
            _ => None,
        }
    }

    /// Whose session it is.
    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// The stream, to say a last word on.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Gives a server connection that was checked out during the login.
    pub(crate) fn begin_with(&mut self, server: Box<Server>) {
        self.adopt(server, Moment::now());
        self.is_fresh = false;
    }

    /// The client has been sent a part of a message, whose rest will never come.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.relay.is_mid_message()
    }

    /// What was to be sent to the client and is not yet.
    pub(crate) fn take_outbox(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outbox)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.client.listen(cx.waker());
        loop {
            if let Some(end) = self.ordered() {
                return Poll::Ready(self.end(end));
            }
            let step = match &self.phase {
                Phase::Idle => self.poll_idle(cx),
                Phase::Waiting(_) => self.poll_waiting(cx),
                Phase::Active(_) => self.poll_active(cx),
            };
            match step {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Over(end) => return Poll::Ready(self.end(end)),
            }
        }
    }

    /// An order that counts now.
    #[inline]
    fn ordered(&self) -> Option<End> {
        let order = self.client.order()?;
        let leaves = match (&self.phase, order) {
            (
                _,
                Order::Kill | Order::QueryTimeout | Order::IdleTimeout | Order::IdleInTransaction,
            ) => true,
            (Phase::Idle, Order::Leave) => self.inbox.is_empty(),
            (Phase::Waiting(_), Order::Leave) => false,
            (Phase::Active(server), Order::Leave) => {
                server.about.state.status == TransactionStatus::Idle
                    && self.relay.is_quiet(&server.about.state)
            }
        };
        leaves.then_some(End::Ordered(order))
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Step {
        match self.flush_client(cx) {
            Ok(true) => {}
            Ok(false) => return Step::Wait,
            Err(end) => return Step::Over(end),
        }
        let buffers = self.buffers.clone();
        let mut input = buffers.input.borrow_mut();
        let count = match read(&mut self.stream, cx, &mut input) {
            Poll::Pending => return Step::Wait,
            Poll::Ready(Ok(0)) => return Step::Over(End::ClientGone(None)),
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(error)) => return Step::Over(End::ClientGone(Some(error))),
        };
        self.heard(count);
        if self.inbox.is_empty() {
            self.wants(&input[..count])
        } else {
            self.inbox.extend_from_slice(&input[..count]);
            match self.relay.has_message(&self.inbox) {
                // Still a part of the one message: nothing is copied for a look at it.
                Ok(false) => Step::Again,
                _ => {
                    let whole = std::mem::take(&mut self.inbox);
                    self.wants(&whole)
                }
            }
        }
    }

    fn heard(&mut self, count: usize) {
        self.client.heard.set(Moment::now());
        self.pool.counters.client_received.add(count as u64);
    }

    /// The client said something while it had no server connection.
    fn wants(&mut self, mut input: &[u8]) -> Step {
        if self.relay.is_skipping() {
            match self.relay.skip(input, &mut self.outbox) {
                Ok(taken) => input = &input[taken..],
                Err(violation) => return Step::Over(End::Violation(violation)),
            }
        }
        loop {
            match self.relay.has_message(input) {
                Ok(true) => {}
                Ok(false) => {
                    self.inbox.extend_from_slice(input);
                    return Step::Again;
                }
                Err(violation) => return Step::Over(End::Violation(violation)),
            }
            match input[0] {
                tag::TERMINATE => return Step::Over(End::Terminated),
                // Nothing was asked: no server is needed to say that all is answered.
                tag::SYNC => backend::write_ready(&mut self.outbox, TransactionStatus::Idle),
                tag::FLUSH => {}
                _ => break,
            }
            input = &input[frame::HEADER..];
        }
        if let Some(server) = self.pool.try_check_out(&self.opening) {
            self.adopt(server, self.client.heard.get());
            return self.take_from_client(input);
        }
        self.inbox = input.to_vec();
        // One that came before is not meant for this.
        self.client.takes_cancel();
        match Waiting::join(&self.pool, &self.opening) {
            Ok(waiting) => {
                self.does(Doing::Waiting, waiting.since());
                self.phase = Phase::Waiting(Box::new(waiting));
                Step::Again
            }
            Err(error) => Step::Over(End::Checkout(error)),
        }
    }

    fn does(&self, doing: Doing, since: Moment) {
        self.client.doing.set(doing);
        self.client.since.set(since);
    }

    fn adopt(&mut self, mut server: Box<Server>, now: Moment) {
        if self.stream.is_accelerated() {
            // Without descriptors, all goes on as before.
            let _ = server.stream.accelerate();
        }
        self.does(Doing::Active, now);
        self.checked_out = now;
        *self.client.held.borrow_mut() = Some(server.about.card.clone());
        self.pool.counters.active_clients.change(1);
        self.is_fresh = true;
        self.phase = Phase::Active(server);
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Step {
        if self.client.takes_cancel() {
            return self.cancel_waiting();
        }
        // Answers to what came before.
        if let Err(end) = self.flush_client(cx) {
            return Step::Over(end);
        }
        let Phase::Waiting(waiting) = &mut self.phase else {
            return Step::Again;
        };
        match waiting.poll(cx) {
            Poll::Ready(Ok(server)) => {
                self.adopt(server, Moment::now());
                return self.take_inbox();
            }
            Poll::Ready(Err(error)) => return Step::Over(End::Checkout(error)),
            Poll::Pending => {}
        }
        if self.inbox.len() >= MAX_AHEAD {
            return Step::Wait;
        }
        // Only to notice that the client goes away, or sends the rest.
        let buffers = self.buffers.clone();
        let mut input = buffers.input.borrow_mut();
        match read(&mut self.stream, cx, &mut input) {
            Poll::Pending => Step::Wait,
            Poll::Ready(Ok(0)) => Step::Over(End::ClientGone(None)),
            Poll::Ready(Ok(count)) => {
                self.heard(count);
                self.inbox.extend_from_slice(&input[..count]);
                Step::Again
            }
            Poll::Ready(Err(error)) => Step::Over(End::ClientGone(Some(error))),
        }
    }

    /// What the client waits to have done is cancelled: it is answered, and never reaches a server.
    fn cancel_waiting(&mut self) -> Step {
        self.phase = Phase::Idle;
        self.does(Doing::Idle, Moment::now());
        let ahead = std::mem::take(&mut self.inbox);
        match self.relay.cancel_ahead(&ahead, &mut self.outbox) {
            Ok(taken) => self.wants(&ahead[taken..]),
            Err(violation) => Step::Over(End::Violation(violation)),
        }
    }

    fn release(&mut self, condition: Condition, now: Moment) {
        if let Phase::Active(server) = std::mem::replace(&mut self.phase, Phase::Idle) {
            server.about.used.set(now);
            self.relay.detach();
            self.client.held.replace(None);
            self.client.in_transaction.set(false);
            self.does(Doing::Idle, now);
            self.pool.counters.active_clients.change(-1);
            self.pool
                .counters
                .transaction
                .observe(now.since(self.checked_out));
            self.pool.check_in(server, condition);
        }
    }

    fn flush_client(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        flush(&mut self.stream, cx, &mut self.outbox).map_err(|error| End::ClientGone(Some(error)))
    }

    /// The client goes: what becomes of its server connection?
    fn end(&mut self, end: End) -> End {
        if let Phase::Active(server) = &self.phase {
            let state = &server.about.state;
            let is_whole = server.about.inbox.is_empty() && server.about.outbox.is_empty();
            let condition = match &end {
                End::ServerGone { source, .. } => Condition::Gone {
                    proven: source.as_ref().is_none_or(is_end),
                },
                End::ServerBroken(_) => Condition::Unusable("out_of_sync", Rest::Cancel),
                End::Violation(_) => Condition::Unusable("client_broke_protocol", Rest::Cancel),
                _ if is_whole && self.relay.is_resettable(state) => Condition::Used,
                End::Terminated => Condition::Unusable("client_gone", Rest::Finish),
                _ => Condition::Unusable("client_gone", Rest::Cancel),
            };
            self.release(condition, Moment::now());
        }
        self.phase = Phase::Idle;
        end
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only when the event loop ends: there is nobody to wait for the server.
        self.release(Condition::Gone { proven: false }, Moment::now());
        self.pool.counters.clients.change(-1);
    }
}
