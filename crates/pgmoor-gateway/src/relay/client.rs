//! Client to server: what a client's messages become.

use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus};
use pgmoor_wire::frame::{self, Header};
use pgmoor_wire::sqlstate::{self, SqlState};
use pgmoor_wire::{frontend, tag};

use super::expected::{Kind, Note, Refusal};
use super::{Flow, Relay, Rest, ServerState, Sink, Violation};
use crate::settings::{PoolMode, SessionState};
use crate::sql::{Effect, Effects, LOOKED_AT, PinReason, effects};
use crate::statements::{NO_STATEMENT, Registry};

/// A Parse is kept whole, so that it can be sent again elsewhere: its length in bytes.
const MAX_PARSE: usize = 16 << 20;
/// Names of portals and statements with their message.
pub(super) const MAX_NAMES: usize = 16 << 10;
/// Text that every server refuses, sent in place of what the gateway refuses.
pub(super) const REFUSED: &[u8] = b"-- refused by pgmoor\n!";

/// PostgreSQL's words.
const CANCELLED: &str = "canceling statement due to user request";

/// What becomes of a message.
pub(super) enum Act {
    Forward,
    /// Pass on from this byte of the message on; what stands before is written already.
    ForwardFrom(usize),
    Drop,
    /// What it means depends on answers that are still owed: to be shown again when they came.
    Wait,
    Terminate,
}

/// What a client's message acts upon.
pub(crate) struct ClientSide<'a, 'i, 'p> {
    pub(crate) server: &'a mut ServerState,
    pub(crate) registry: &'a mut Registry,
    pub(crate) to_server: &'a mut Sink<'i, 'p>,
    /// Answers that need no server.
    pub(crate) to_client: &'a mut Vec<u8>,
}

impl Relay {
    /// Whether there is enough of a message to need a server for it.
    ///
    /// # Errors
    ///
    /// A message that no client may send.
    pub(crate) fn has_message(&self, input: &[u8]) -> Result<bool, Violation> {
        match header(input)? {
            Some(header) => Ok(input.len() >= self.needed_of_client(header)?.min(header.len)),
            None => Ok(false),
        }
    }

    /// Takes the client's bytes; gives how many were taken. The rest is to be shown again, with more.
    ///
    /// # Errors
    ///
    /// A message that no client may send; the session ends.
    pub(crate) fn client_bytes(
        &mut self,
        input: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<(usize, Flow), Violation> {
        let mut at = 0;
        loop {
            if self.client_rest.bytes > 0 {
                let taken = self.client_rest.bytes.min(input.len() - at);
                if self.client_rest.forward {
                    side.to_server.forward(at..at + taken);
                }
                at += taken;
                self.client_rest.bytes -= taken;
            }
            let Some(header) = header(&input[at..])? else {
                return Ok((at, Flow::More));
            };
            let end = input.len().min(at + header.len);
            if end - at < self.needed_of_client(header)? {
                return Ok((at, Flow::More));
            }
            let forward = match self.client_message(header, &input[at..end], side)? {
                Act::Forward => {
                    side.to_server.forward(at..end);
                    true
                }
                Act::ForwardFrom(offset) => {
                    side.to_server.forward(at + offset..end);
                    true
                }
                Act::Drop => false,
                Act::Wait => {
                    self.wait(side);
                    return Ok((at, Flow::More));
                }
                Act::Terminate => return Ok((end, Flow::Terminated)),
            };
            self.client_rest = Rest {
                bytes: at + header.len - end,
                forward,
            };
            at = end;
        }
    }

    /// Answers what the client asks first in `input` as cancelled, in place of a server; gives how
    /// many bytes of it were taken. The rest of what was cancelled goes to [`Relay::skip`].
    ///
    /// # Errors
    ///
    /// A message that no client may send; the session ends.
    pub(crate) fn cancel_ahead(
        &mut self,
        input: &[u8],
        to_client: &mut Vec<u8>,
    ) -> Result<usize, Violation> {
        let Some(header) = header(input)? else {
            return Ok(0);
        };
        to_client.extend_from_slice(&error(sqlstate::QUERY_CANCELED, CANCELLED, ""));
        if matches!(header.tag, tag::QUERY | tag::FUNCTION_CALL) {
            backend::write_ready(to_client, TransactionStatus::Idle);
            self.client_rest = Rest {
                bytes: header.len,
                forward: false,
            };
        } else {
            self.skip_to_sync = true;
        }
        self.skip(input, to_client)
    }

    /// Something was cancelled whose end has not come yet.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip_to_sync || self.client_rest.bytes > 0
    }

    /// Takes what is left of something that was cancelled, while there is no server connection.
    ///
    /// # Errors
    ///
    /// A message that no client may send; the session ends.
    pub(crate) fn skip(
        &mut self,
        input: &[u8],
        to_client: &mut Vec<u8>,
    ) -> Result<usize, Violation> {
        let mut at = 0;
        loop {
            let taken = self.client_rest.bytes.min(input.len() - at);
            at += taken;
            self.client_rest.bytes -= taken;
            if self.client_rest.bytes > 0 || !self.skip_to_sync {
                return Ok(at);
            }
            match header(&input[at..])? {
                None => return Ok(at),
                Some(header) if header.tag == tag::TERMINATE => return Ok(at),
                Some(header) => {
                    if header.tag == tag::SYNC {
                        self.skip_to_sync = false;
                        backend::write_ready(to_client, TransactionStatus::Idle);
                    }
                    self.client_rest = Rest {
                        bytes: header.len,
                        forward: false,
                    };
                }
            }
        }
    }

    /// How much of a message must be there before it is looked at.
    fn needed_of_client(&self, header: Header) -> Result<usize, Violation> {
        let limited = |limit: usize| {
            if header.len > limit {
                return Err(Violation::TooLong {
                    tag: header.tag,
                    length: header.len,
                    limit,
                });
            }
            Ok(header.len)
        };
        match (header.tag, self.mode) {
            (tag::SYNC | tag::FLUSH | tag::TERMINATE | tag::COPY_DONE, _) => limited(frame::HEADER),
            (_, PoolMode::Session) => Ok(frame::HEADER),
            (tag::QUERY, _) => Ok(header.len.min(LOOKED_AT)),
            (tag::PARSE, _) => limited(MAX_PARSE),
            (tag::BIND, _) => Ok(header.len.min(MAX_NAMES)),
            (tag::DESCRIBE | tag::CLOSE | tag::EXECUTE, _) => limited(MAX_NAMES),
            _ => Ok(frame::HEADER),
        }
    }

    /// `message` holds as much of it as there is, at least what was needed.
    fn client_message(
        &mut self,
        header: Header,
        message: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let body = &message[frame::HEADER..];
        if self.skip_to_sync && !matches!(header.tag, tag::SYNC | tag::TERMINATE) {
            return Ok(Act::Drop);
        }
        let pooled = self.mode == PoolMode::Transaction;
        let asks = !matches!(
            header.tag,
            tag::SYNC
                | tag::FLUSH
                | tag::TERMINATE
                | tag::COPY_DATA
                | tag::COPY_DONE
                | tag::COPY_FAIL
        );
        if self.copy_in && asks {
            // The server would end the connection, as it cannot tell where the next message begins.
            return Err(Violation::DuringCopy(header.tag));
        }
        if asks && self.can_wait() && self.expected.has_barrier() {
            return Ok(Act::Wait);
        }
        if asks
            && self.drifted
            && self.is_quiet(side.server)
            && !self.unsynced
            && side.server.status == TransactionStatus::Idle
        {
            // What the client reset is now as the server has it, not as the client began.
            self.attach(side.server, side.to_server.insert())?;
        }
        match header.tag {
            tag::QUERY if pooled => return self.query(header, body, side),
            tag::PARSE if pooled => return self.parse(body, side),
            tag::BIND if pooled => return self.bind(header, body, side),
            tag::DESCRIBE if pooled => return self.describe(body, side),
            tag::CLOSE if pooled => return self.close(body, side),
            tag::EXECUTE if pooled => return self.execute(body, side),
            tag::QUERY => {
                self.unsynced = false;
                self.expected.push(Kind::Query);
            }
            tag::PARSE => self.extended(Kind::Parse),
            tag::BIND => self.extended(Kind::Bind),
            tag::DESCRIBE => self.extended(Kind::Describe),
            tag::CLOSE => self.extended(Kind::Close),
            tag::EXECUTE => self.extended(Kind::Execute),
            tag::FUNCTION_CALL => {
                self.unsynced = false;
                self.expected.push(Kind::Function);
            }
            tag::SYNC => return self.sync(side),
            tag::COPY_DONE | tag::COPY_FAIL => {
                if !self.copy_in && !self.expected.is_empty() {
                    // Sent ahead of the answer: whether a Sync was swallowed cannot be told.
                    if self.expected.has_sync() {
                        self.lose_count(side.server);
                    }
                    self.ended_ahead = true;
                }
                self.copy_in = false;
            }
            tag::COPY_DATA | tag::FLUSH => {}
            tag::TERMINATE => return Ok(Act::Terminate),
            other => return Err(Violation::Unexpected(other)),
        }
        Ok(Act::Forward)
    }

    pub(super) fn extended(&mut self, kind: Kind) {
        self.unsynced = true;
        self.expected.push(kind);
    }

    fn sync(&mut self, side: &mut ClientSide<'_, '_, '_>) -> Result<Act, Violation> {
        if self.copy_in {
            // The server ignores it.
            self.swallowed_syncs = true;
            return Ok(Act::Forward);
        }
        self.unsynced = false;
        self.skip_to_sync = false;
        self.expected.push(Kind::Sync);
        if !self.swallowed_syncs || self.lost_count {
            return Ok(Act::Forward);
        }
        // Should the COPY fail, the answer to this tells when all answers to Syncs have come.
        let out = side.to_server.insert();
        frontend::write_sync(out);
        encoded(frontend::write_close(out, b'S', NO_STATEMENT))?;
        frontend::write_flush(out);
        self.expected.push(Kind::OwnClose);
        Ok(Act::Drop)
    }

    fn query(
        &mut self,
        header: Header,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let text = body.strip_suffix(&[0]).unwrap_or(body);
        let mut effects = effects(text);
        let is_whole = header.len <= LOOKED_AT;
        if !is_whole {
            side.server.dirty = true;
            effects.single = false;
        }
        if effects.list.is_empty() {
            self.queried(None, side.server);
            return Ok(Act::Forward);
        }
        if !is_whole {
            // A value may go on where nobody looked.
            effects.list.push(Effect::Pin(PinReason::Setting));
        }
        if let (true, [Effect::Deallocate { name }]) = (effects.single, &*effects.list) {
            if self.is_name_open(name.as_bytes()) {
                return Ok(Act::Wait);
            }
            if self.knows(name.as_bytes()) {
                return self.deallocate(effects, side);
            }
        }
        let refusal = self
            .refuse_sequence(&effects, side.server)
            .filter(|_| effects.single)
            .or_else(|| self.judge(&effects, side.server));
        if let Some(refusal) = refusal {
            encoded(frontend::write_query(
                side.to_server.insert(),
                &String::from_utf8_lossy(REFUSED),
            ))?;
            let refusal = Refusal {
                of: None,
                error: refusal,
            };
            let note = Note {
                refusal: Some(refusal),
                ..Note::default()
            };
            self.queried(Some(Box::new(note)), side.server);
            return Ok(Act::Drop);
        }
        let note = Note {
            effects,
            ..Note::default()
        };
        self.queried(Some(Box::new(note)), side.server);
        Ok(Act::Forward)
    }

    /// A simple query goes to the server: it ends what was not synced, and drops the unnamed
    /// statement.
    fn queried(&mut self, note: Option<Box<Note>>, server: &mut ServerState) {
        self.unsynced = false;
        self.push_unnamed(Kind::Query, None, note, server);
    }

    /// `DEALLOCATE` of a statement that the server knows by another name, or not at all: it
    /// deallocates one that is made for that, so that all answers are the server's own.
    fn deallocate(
        &mut self,
        effects: Effects,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        self.prepare_gone(side)?;
        encoded(frontend::write_query(
            side.to_server.insert(),
            "DEALLOCATE pgmoor_gone",
        ))?;
        let note = Note {
            effects,
            ..Note::default()
        };
        self.queried(Some(Box::new(note)), side.server);
        Ok(Act::Drop)
    }

    /// Sees to it that the answers come which the client's next message has to wait for.
    fn wait(&mut self, side: &mut ClientSide<'_, '_, '_>) {
        if self.unsynced && !self.waiting {
            // Nothing else makes the server send what it has to say.
            frontend::write_flush(side.to_server.insert());
        }
        self.waiting = true;
    }

    /// The error for a question about what a sequence gave before, when no transaction has kept the
    /// server connection since: another client may have been the last to use it there.
    pub(super) fn refuse_sequence(
        &self,
        effects: &Effects,
        server: &ServerState,
    ) -> Option<Vec<u8>> {
        let is_outside = self.pinned.is_none()
            && server.status == TransactionStatus::Idle
            && !self.expected.has_run();
        if !is_outside || !effects.list.contains(&Effect::Sequence) {
            return None;
        }
        let text =
            "currval and lastval cannot be used outside of a transaction in transaction pooling";
        let hint = "use RETURNING, or call them in the transaction that called nextval, or set pool.mode to \"session\" for this database";
        Some(error(sqlstate::FEATURE_NOT_SUPPORTED, text, hint))
    }

    /// Pins the session for effects that cannot follow it, or gives the error that refuses them.
    pub(super) fn judge(&mut self, effects: &Effects, server: &mut ServerState) -> Option<Vec<u8>> {
        for effect in &effects.list {
            let reason = match effect {
                Effect::Pin(reason) => *reason,
                Effect::SetConfig { name }
                    if !name.as_ref().is_some_and(|name| server.reports(name)) =>
                {
                    PinReason::Setting
                }
                Effect::Unseen => {
                    // The session goes on, but nobody else gets what may be left there.
                    server.dirty = true;
                    continue;
                }
                _ => continue,
            };
            if self.session_state == SessionState::Refuse {
                let text = format!("{} cannot be used in transaction pooling", reason.what());
                let hint = "set pool.mode to \"session\" for this database, or pool.session_state to \"pin\"";
                return Some(error(sqlstate::FEATURE_NOT_SUPPORTED, &text, hint));
            }
            self.pin(server, reason);
        }
        None
    }
}

fn header(input: &[u8]) -> Result<Option<Header>, Violation> {
    frame::header(input).map_err(|error| Violation::Malformed(error.to_string()))
}

pub(super) fn malformed(error: impl std::fmt::Display) -> Violation {
    Violation::Malformed(error.to_string())
}

pub(super) fn encoded<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), Violation> {
    result.map_err(malformed)
}

/// An ErrorResponse of the gateway's own.
pub(super) fn error(state: SqlState, message: &str, hint: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fields = ErrorFields::error(state, message);
    if !hint.is_empty() {
        fields = fields.hint(hint);
    }
    fields.write_error(&mut out);
    out
}
