//! One logged-in client: bytes from it to a server connection and back, until it leaves.
//!
//! A client has a server connection only while it needs one. Nothing here waits for more than one
//! thing without watching the client too, and nothing is read from one side while the other side
//! does not take what was read before.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use pgmoor::stream::Stream;
use pgmoor_wire::backend::{self, TransactionStatus};
use pgmoor_wire::{frame, tag};

use crate::buffers::Buffers;
use crate::clients::{Client, Doing, Held, Order};
use crate::clock::Moment;
use crate::pool::{CheckoutError, Condition, Pool, Server, Waiting};
use crate::relay::{Broken, ClientSide, Flow, Relay, Sink, Violation};
use crate::transfer::{flush, read, send};

/// What a client that waits for a server connection may send ahead, in bytes.
const MAX_AHEAD: usize = 64 << 10;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The client said goodbye.
    #[error("client disconnected")]
    Terminated,
    #[error("client closed the connection")]
    ClientGone(#[source] Option<io::Error>),
    #[error("the client broke the protocol")]
    Violation(#[source] Violation),
    #[error("no server connection")]
    Checkout(#[source] CheckoutError),
    #[error("the server closed the connection")]
    ServerGone {
        /// The client has been told by the server.
        told: bool,
        #[source]
        source: Option<io::Error>,
    },
    #[error("the server broke the protocol")]
    ServerBroken(#[source] Broken),
    #[error("ended from outside")]
    Ordered(Order),
}

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
    /// From the client, not used yet: part of a message, or what it sent while it waits.
    inbox: Vec<u8>,
    /// To the client, not sent yet.
    outbox: Vec<u8>,
    phase: Phase,
    /// When the server connection was checked out.
    checked_out: Moment,
    /// The server connection has not been given this session's parameters yet.
    is_fresh: bool,
}

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
        ahead: Vec<u8>,
    ) -> Self {
        pool.counters.clients.change(1);
        Self {
            stream,
            client,
            pool,
            buffers,
            relay: Box::new(relay),
            inbox: ahead,
            outbox: Vec::new(),
            phase: Phase::Idle,
            checked_out: Moment::now(),
            is_fresh: false,
        }
    }

    /// Serves the client until it leaves or has to.
    ///
    /// Cancel safe: dropped in the middle, the server connection is closed, not reused.
    pub(crate) async fn run(&mut self) -> End {
        // A client may have sent its first statement along with the login.
        let ahead = std::mem::take(&mut self.inbox);
        if !ahead.is_empty() {
            let step = match self.phase {
                Phase::Idle => self.wants(&ahead),
                Phase::Waiting(_) | Phase::Active(_) => self.take_from_client(&ahead),
            };
            if let Step::Over(end) = step {
                return self.end(end);
            }
        }
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The stream, to say a last word on.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Gives a server connection that was checked out during the login.
    pub(crate) fn begin_with(&mut self, server: Box<Server>) {
        self.adopt(server);
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
            (_, Order::Kill | Order::IdleTimeout | Order::IdleInTransaction) => true,
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
            let mut whole = std::mem::take(&mut self.inbox);
            whole.extend_from_slice(&input[..count]);
            self.wants(&whole)
        }
    }

    fn heard(&mut self, count: usize) {
        self.client.heard.set(Moment::now());
        self.pool.counters.client_received.add(count as u64);
    }

    /// The client said something while it had no server connection.
    fn wants(&mut self, mut input: &[u8]) -> Step {
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
        if let Some(server) = self.pool.try_check_out() {
            self.adopt(server);
            return self.take_from_client(input);
        }
        self.inbox = input.to_vec();
        match Waiting::join(&self.pool) {
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

    fn adopt(&mut self, server: Box<Server>) {
        let now = Moment::now();
        self.does(Doing::Active, now);
        self.checked_out = now;
        *self.client.held.borrow_mut() = Some(Held::of(&server));
        self.pool.counters.active_clients.change(1);
        self.is_fresh = true;
        self.phase = Phase::Active(server);
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Step {
        let Phase::Waiting(waiting) = &mut self.phase else {
            return Step::Again;
        };
        match waiting.poll(cx) {
            Poll::Ready(Ok(server)) => {
                self.adopt(server);
                let ahead = std::mem::take(&mut self.inbox);
                return self.take_from_client(&ahead);
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

    fn poll_active(&mut self, cx: &mut Context<'_>) -> Step {
        let Phase::Active(server) = &mut self.phase else {
            return Step::Again;
        };
        let to_server = match flush(&mut server.stream, cx, &mut server.about.outbox) {
            Ok(done) => done,
            // What the server said before it went away is still to be read.
            Err(_) => {
                server.about.outbox.clear();
                true
            }
        };
        let to_client = match self.flush_client(cx) {
            Ok(done) => done,
            Err(end) => return Step::Over(end),
        };
        let buffers = self.buffers.clone();
        let mut input = buffers.input.borrow_mut();
        let Phase::Active(server) = &mut self.phase else {
            return Step::Again;
        };
        if to_client {
            match read(&mut server.stream, cx, &mut input) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => return Step::Over(self.server_gone(None)),
                Poll::Ready(Ok(count)) => return self.take_from_server(&mut input, count),
                Poll::Ready(Err(error)) => return Step::Over(self.server_gone(Some(error))),
            }
        }
        // Answers of our own must not pile up for a client that does not read them.
        let waits = self.relay.is_waiting();
        let is_full = self.outbox.len() >= MAX_AHEAD || waits && self.inbox.len() >= MAX_AHEAD;
        if to_server && !is_full && !self.relay.is_overloaded() {
            match read(&mut self.stream, cx, &mut input) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => return Step::Over(End::ClientGone(None)),
                Poll::Ready(Ok(count)) => {
                    self.heard(count);
                    if waits {
                        // Taken when the answers came that its meaning depends on.
                        self.inbox.extend_from_slice(&input[..count]);
                        return Step::Again;
                    }
                    if self.inbox.is_empty() {
                        return self.take_from_client(&input[..count]);
                    }
                    let mut whole = std::mem::take(&mut self.inbox);
                    whole.extend_from_slice(&input[..count]);
                    return self.take_from_client(&whole);
                }
                Poll::Ready(Err(error)) => return Step::Over(End::ClientGone(Some(error))),
            }
        }
        Step::Wait
    }

    fn server_gone(&self, source: Option<io::Error>) -> End {
        End::ServerGone {
            told: self.relay.server_said_farewell(),
            source,
        }
    }

    /// Bytes of the client go to its server connection.
    fn take_from_client(&mut self, input: &[u8]) -> Step {
        let Phase::Active(server) = &mut self.phase else {
            return Step::Again;
        };
        let buffers = self.buffers.clone();
        let mut output = buffers.output.borrow_mut();
        output.clear();
        let was_owed = self.relay.is_owed_answers();
        let state = &mut server.about.state;
        let begun = if std::mem::take(&mut self.is_fresh) {
            self.relay.attach(state, &mut output)
        } else {
            self.relay.restore(state, &mut output)
        };
        if let Err(violation) = begun {
            return Step::Over(End::Violation(violation));
        }
        let mut sink = Sink::new(input, &mut output);
        let pool = self.pool.clone();
        let mut registry = pool.registry.borrow_mut();
        let mut side = ClientSide {
            server: &mut server.about.state,
            registry: &mut registry,
            to_server: &mut sink,
            to_client: &mut self.outbox,
        };
        let (taken, flow) = match self.relay.client_bytes(input, &mut side) {
            Ok(outcome) => outcome,
            Err(violation) => return Step::Over(End::Violation(violation)),
        };
        self.relay.hurry(side.to_server);
        let tail = sink.finish();
        self.pool
            .counters
            .server_sent
            .add((output.len() + tail.len()) as u64);
        // A server that is gone shows when it is read; what it said before comes first.
        let _ = send(&mut server.stream, &output, tail, &mut server.about.outbox);
        self.inbox.extend_from_slice(&input[taken..]);
        if !was_owed && self.relay.is_owed_answers() {
            self.client.runs(Some(self.client.heard.get()));
        }
        match flow {
            Flow::Terminated => Step::Over(End::Terminated),
            Flow::More => {
                drop(output);
                self.release_if_done();
                Step::Again
            }
        }
    }

    /// Bytes of the server, `count` of them in `input`, go to the client.
    fn take_from_server(&mut self, input: &mut [u8], count: usize) -> Step {
        let Phase::Active(server) = &mut self.phase else {
            return Step::Again;
        };
        let mut whole = std::mem::take(&mut server.about.inbox);
        let input: &[u8] = if whole.is_empty() {
            &input[..count]
        } else {
            whole.extend_from_slice(&input[..count]);
            &whole
        };
        let buffers = self.buffers.clone();
        let mut output = buffers.output.borrow_mut();
        output.clear();
        let mut sink = Sink::new(input, &mut output);
        let taken = self
            .relay
            .server_bytes(input, &mut server.about.state, &mut sink);
        let tail = sink.finish();
        let sent = output.len() + tail.len();
        self.pool.counters.server_received.add(count as u64);
        self.pool.counters.client_sent.add(sent as u64);
        if let Err(error) = send(&mut self.stream, &output, tail, &mut self.outbox) {
            return Step::Over(End::ClientGone(Some(error)));
        }
        match taken {
            Ok(taken) => server.about.inbox.extend_from_slice(&input[taken..]),
            Err(broken) => return Step::Over(End::ServerBroken(broken)),
        }
        drop(output);
        self.client
            .in_transaction
            .set(server.about.state.status != TransactionStatus::Idle);
        if !self.relay.is_owed_answers() {
            self.answered();
        }
        if self.relay.resumes() {
            let ahead = std::mem::take(&mut self.inbox);
            return self.take_from_client(&ahead);
        }
        self.release_if_done();
        Step::Again
    }

    /// Every question has its whole answer.
    fn answered(&mut self) {
        let now = Moment::now();
        self.client.heard.set(now);
        if let Some(began) = self.client.running.get() {
            self.pool.counters.query.observe(now.since(began));
        }
        self.client.runs(None);
        let tally = self.relay.take_tally();
        let counters = &self.pool.counters;
        counters.queries.add(tally.queries.into());
        counters.transactions.add(tally.transactions.into());
        counters.client_parses.add(tally.client_parses.into());
        counters.server_parses.add(tally.server_parses.into());
        counters.binds.add(tally.binds.into());
        if !tally.errors.is_empty() {
            counters.errors.add(tally.errors.len() as u64);
            for class in &tally.errors {
                let class = std::str::from_utf8(class).unwrap_or_default();
                counters.server_errors.add(class);
            }
        }
        if let Some(reason) = tally.pinned {
            counters.pins[reason as usize].add(1);
        }
        counters.evictions.add(tally.evictions.into());
        let on_server = match &self.phase {
            Phase::Active(server) => server.about.state.prepared_statements(),
            Phase::Idle | Phase::Waiting(_) => 0,
        };
        self.client
            .prepared
            .set((self.relay.statements(), on_server));
    }

    /// Gives the server connection back when the client does not need it any more.
    #[inline]
    fn release_if_done(&mut self) {
        if let Phase::Active(server) = &self.phase
            && self.relay.is_releasable(&server.about.state)
            && server.about.inbox.is_empty()
            && server.about.outbox.is_empty()
        {
            self.release(Condition::Clean);
        }
    }

    fn release(&mut self, condition: Condition) {
        if let Phase::Active(server) = std::mem::replace(&mut self.phase, Phase::Idle) {
            let now = Moment::now();
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
                End::ServerGone { .. } => Condition::Unusable("server_gone"),
                End::ServerBroken(_) => Condition::Unusable("out_of_sync"),
                End::Violation(_) => Condition::Unusable("client_broke_protocol"),
                _ if is_whole && self.relay.is_resettable(state) => Condition::Used,
                _ => Condition::Unusable("client_gone"),
            };
            if matches!(end, End::ClientGone(_))
                && condition == Condition::Unusable("client_gone")
                && self.relay.is_owed_answers()
                && let Some(held) = self.client.held.borrow().clone()
            {
                // Nobody waits for the answer: spare the server the work.
                held.cancel(None);
            }
            self.release(condition);
        }
        self.phase = Phase::Idle;
        end
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.release(Condition::Unusable("client_gone"));
        self.pool.counters.clients.change(-1);
    }
}
