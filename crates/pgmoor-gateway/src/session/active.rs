//! A client with a server connection: bytes both ways until the connection is not needed any more.

use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use pgmoor_wire::backend::TransactionStatus;

use super::{COMPANY, End, MAX_AHEAD, Phase, Session, Step};
use crate::clock::Moment;
use crate::pool::{Condition, Rest};
use crate::relay::{ClientSide, Flow, Sink};
use crate::transfer::{flush, read, send};

impl Session {
    pub(super) fn poll_active(&mut self, cx: &mut Context<'_>) -> Step {
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
                    if self.inbox.is_empty() && !waits {
                        return self.take_from_client(&input[..count]);
                    }
                    self.inbox.extend_from_slice(&input[..count]);
                    return match waits {
                        // Taken when the answers came that its meaning depends on.
                        true => Step::Again,
                        false => self.take_inbox(),
                    };
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

    /// Bytes of the client go to its server connection; what cannot go yet is kept.
    pub(super) fn take_from_client(&mut self, input: &[u8]) -> Step {
        match self.pass_on(input) {
            Ok(taken) => {
                self.inbox.extend_from_slice(&input[taken..]);
                self.release_if_done();
                Step::Again
            }
            Err(end) => Step::Over(end),
        }
    }

    /// What was kept goes to the server connection. The rest stays where it is: a long message is
    /// not copied again with each of its parts.
    pub(super) fn take_inbox(&mut self) -> Step {
        let mut inbox = std::mem::take(&mut self.inbox);
        match self.pass_on(&inbox) {
            Ok(taken) => {
                if taken < inbox.len() {
                    inbox.drain(..taken);
                    self.inbox = inbox;
                }
                self.release_if_done();
                Step::Again
            }
            Err(end) => Step::Over(end),
        }
    }

    /// Gives how many of the client's bytes were taken.
    fn pass_on(&mut self, input: &[u8]) -> Result<usize, End> {
        let Phase::Active(server) = &mut self.phase else {
            return Ok(0);
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
        begun.map_err(End::Violation)?;
        let mut sink = Sink::new(input, &mut output);
        let pool = self.pool.clone();
        let mut registry = pool.registry.borrow_mut();
        registry.follow(pool.shared.schema.load(Ordering::Relaxed));
        let mut side = ClientSide {
            server: &mut server.about.state,
            registry: &mut registry,
            to_server: &mut sink,
            to_client: &mut self.outbox,
        };
        let (taken, flow) = self
            .relay
            .client_bytes(input, &mut side)
            .map_err(End::Violation)?;
        self.relay.hurry(side.to_server);
        let tail = sink.finish();
        self.pool
            .counters
            .server_sent
            .add((output.len() + tail.len()) as u64);
        // A server that is gone shows when it is read; what it said before comes first.
        let _ = send(&mut server.stream, &output, tail, &mut server.about.outbox);
        if !was_owed && self.relay.is_owed_answers() {
            self.client.runs(Some(self.client.heard.get()));
        }
        match flow {
            Flow::Terminated => Err(End::Terminated),
            Flow::More => Ok(taken),
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
            return self.take_inbox();
        }
        self.release_if_done();
        Step::Again
    }

    /// Moves a client that is busy, among others, onto the worker's ring.
    #[inline]
    fn look_for_ring(&mut self) {
        if self.calm > 0 {
            self.calm -= 1;
        } else if !self.stream.is_accelerated()
            && self.pool.counters.active_clients.get() >= COMPANY
            && let Phase::Active(server) = &mut self.phase
        {
            // Without descriptors, all goes on as before.
            let _ = self.stream.accelerate();
            let _ = server.stream.accelerate();
        }
    }

    /// Every question has its whole answer.
    fn answered(&mut self) {
        self.look_for_ring();
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
        if tally.changed_schema {
            self.pool.shared.schema.fetch_add(1, Ordering::Relaxed);
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
    pub(super) fn release_if_done(&mut self) {
        if let Phase::Active(server) = &self.phase
            && self.relay.is_releasable(&server.about.state)
            && server.about.inbox.is_empty()
            && server.about.outbox.is_empty()
        {
            // The clock was read when the last bytes came.
            let condition = if server.about.state.leaves {
                Condition::Unusable("server_gone", Rest::Finish)
            } else {
                Condition::Clean
            };
            self.release(condition, self.client.heard.get());
        }
    }
}
