//! Server to client: which expected answer each message gives, and what of it the client sees.

use pgmoor_wire::backend::{self, TransactionStatus};
use pgmoor_wire::frame::{self, Header};
use pgmoor_wire::sqlstate::{
    DUPLICATE_PREPARED_STATEMENT, FEATURE_NOT_SUPPORTED, INTERNAL_ERROR,
    INVALID_SQL_STATEMENT_NAME, SqlState,
};
use pgmoor_wire::tag;

use super::expected::{Expected, Kind, Note, Unnamed};
use super::{Broken, Relay, Rest, ServerState, Sink};
use crate::settings::PoolMode;
use crate::sql::{Effect, Effects, PinReason};

/// Messages that are looked at whole: far more than any server sends.
const MAX_LOOKED_AT: usize = 64 << 10;
/// An ErrorResponse is looked at up to here.
const MAX_ERROR: usize = 64 << 10;

impl Relay {
    /// Takes the server's bytes; gives how many were taken. The rest is to be shown again, with more.
    ///
    /// # Errors
    ///
    /// A message that no server sends here; its connection is closed and never reused.
    pub(crate) fn server_bytes(
        &mut self,
        input: &[u8],
        server: &mut ServerState,
        to_client: &mut Sink<'_, '_>,
    ) -> Result<usize, Broken> {
        let mut at = 0;
        self.hurried = false;
        loop {
            if self.server_rest.bytes > 0 {
                let taken = self.server_rest.bytes.min(input.len() - at);
                if self.server_rest.forward {
                    to_client.forward(at..at + taken);
                }
                at += taken;
                self.server_rest.bytes -= taken;
            }
            self.answer_locally(to_client);
            let header = frame::header(&input[at..])
                .map_err(|error| Broken::Malformed(error.to_string()))?;
            let Some(header) = header else {
                return Ok(at);
            };
            let end = input.len().min(at + header.len);
            if end - at < self.needed_of_server(header)? {
                return Ok(at);
            }
            let forward =
                if header.tag == tag::DATA_ROW && self.expected.head() == Some(Kind::Query) {
                    true
                } else {
                    self.server_message(header, &input[at + frame::HEADER..end], server, to_client)?
                };
            if forward {
                to_client.forward(at..end);
            }
            self.server_rest = Rest {
                bytes: at + header.len - end,
                forward,
            };
            at = end;
        }
    }

    /// How much of a message must be there before it is looked at.
    fn needed_of_server(&self, header: Header) -> Result<usize, Broken> {
        let exactly = |length: usize| {
            if header.len == length {
                Ok(length)
            } else {
                Err(Broken::Malformed(format!(
                    "message {:?} has {} bytes, not {length}",
                    char::from(header.tag),
                    header.len
                )))
            }
        };
        match header.tag {
            tag::PARSE_COMPLETE
            | tag::BIND_COMPLETE
            | tag::CLOSE_COMPLETE
            | tag::NO_DATA
            | tag::EMPTY_QUERY_RESPONSE
            | tag::PORTAL_SUSPENDED => exactly(frame::HEADER),
            tag::READY_FOR_QUERY => exactly(frame::HEADER + 1),
            tag::PARAMETER_STATUS | tag::COMMAND_COMPLETE if header.len > MAX_LOOKED_AT => {
                Err(Broken::Malformed(format!(
                    "message {:?} of {} bytes exceeds the limit of {MAX_LOOKED_AT} bytes",
                    char::from(header.tag),
                    header.len
                )))
            }
            tag::PARAMETER_STATUS | tag::COMMAND_COMPLETE => Ok(header.len),
            // Its SQLSTATE is looked at, and of a query of our own also its text.
            tag::ERROR_RESPONSE => Ok(header.len.min(MAX_ERROR)),
            tag::NOTICE_RESPONSE if self.expected.is_empty() => Ok(header.len.min(MAX_ERROR)),
            _ => Ok(frame::HEADER),
        }
    }

    /// Whether the client sees this message.
    fn server_message(
        &mut self,
        header: Header,
        body: &[u8],
        server: &mut ServerState,
        to_client: &mut Sink<'_, '_>,
    ) -> Result<bool, Broken> {
        if self.expected.head() == Some(Kind::OwnQuery) {
            return self.own_answer(header.tag, body, server);
        }
        match header.tag {
            tag::READY_FOR_QUERY => return self.ready(body, server),
            tag::COMMAND_COMPLETE => self.command_complete(body, server)?,
            // The client's transaction has its whole answer: the end of the connection is the pool's
            // affair, and the client goes on with another one.
            tag::ERROR_RESPONSE if self.is_releasable(server) => {
                server.leaves = true;
                return Ok(false);
            }
            tag::ERROR_RESPONSE => return Ok(self.error(body, server, to_client)),
            tag::PARAMETER_STATUS => self.parameter_status(body, server)?,
            tag::PARSE_COMPLETE => {
                if self.expected.pop_if(Kind::OwnParse).is_some() {
                    return Ok(false);
                }
                self.answered(header.tag, Kind::Parse, server)?;
            }
            tag::CLOSE_COMPLETE => {
                if self.doubtful && self.expected.head() == Some(Kind::Sync) {
                    // What stands behind it is answered, and so everything before.
                    self.doubtful = false;
                    self.expected.pop();
                }
                if self.expected.pop_if(Kind::OwnClose).is_some() {
                    return Ok(false);
                }
                self.answered(header.tag, Kind::Close, server)?;
            }
            tag::BIND_COMPLETE => self.answered(header.tag, Kind::Bind, server)?,
            tag::NO_DATA => self.answered(header.tag, Kind::Describe, server)?,
            tag::ROW_DESCRIPTION => match self.expected.head() {
                Some(Kind::Query) => {}
                _ => self.answered(header.tag, Kind::Describe, server)?,
            },
            tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED => match self.expected.head() {
                Some(Kind::Query) => {}
                _ => self.answered(header.tag, Kind::Execute, server)?,
            },
            tag::COPY_IN_RESPONSE => {
                self.within(header.tag, &[Kind::Query, Kind::Execute], server)?;
                self.copy_in_begins(server);
            }
            tag::DATA_ROW
            | tag::COPY_DATA
            | tag::COPY_DONE
            | tag::COPY_OUT_RESPONSE
            | tag::COPY_BOTH_RESPONSE => {
                self.within(header.tag, &[Kind::Query, Kind::Execute], server)?
            }
            tag::PARAMETER_DESCRIPTION => self.within(header.tag, &[Kind::Describe], server)?,
            tag::FUNCTION_CALL_RESPONSE => self.within(header.tag, &[Kind::Function], server)?,
            tag::NOTICE_RESPONSE
                if self.is_releasable(server) && backend::ErrorView::new(body).is_shutdown() =>
            {
                server.leaves = true;
                return Ok(false);
            }
            tag::NOTICE_RESPONSE | tag::NOTIFICATION_RESPONSE => {}
            other => return Err(Broken::OutOfStep(other)),
        }
        Ok(true)
    }

    /// The head of the queue is answered in full by this message.
    fn answered(&mut self, tag: u8, kind: Kind, server: &ServerState) -> Result<(), Broken> {
        if self.expected.pop_if(kind).is_some() || server.unprovable {
            Ok(())
        } else {
            Err(Broken::OutOfStep(tag))
        }
    }

    /// The head of the queue is answered in part by this message.
    fn within(&self, tag: u8, kinds: &[Kind], server: &ServerState) -> Result<(), Broken> {
        match self.expected.head() {
            Some(head) if kinds.contains(&head) => Ok(()),
            _ if server.unprovable => Ok(()),
            _ => Err(Broken::OutOfStep(tag)),
        }
    }

    /// Answers to a query of our own are nobody else's business.
    fn own_answer(
        &mut self,
        tag: u8,
        body: &[u8],
        server: &mut ServerState,
    ) -> Result<bool, Broken> {
        match tag {
            tag::READY_FOR_QUERY => {
                server.status = status(body)?;
                self.expected.pop();
            }
            tag::ERROR_RESPONSE => return Err(Broken::Parameters(body.to_vec())),
            tag::PARAMETER_STATUS => {
                let (name, value) = decode_parameter(body)?;
                server.report(&name, &value);
            }
            tag::NOTIFICATION_RESPONSE => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    fn parameter_status(&mut self, body: &[u8], server: &mut ServerState) -> Result<(), Broken> {
        let (name, value) = decode_parameter(body)?;
        server.report(&name, &value);
        if self.mode == PoolMode::Transaction {
            self.parameters.reported(&name, &value);
        }
        Ok(())
    }

    fn command_complete(&mut self, body: &[u8], server: &mut ServerState) -> Result<(), Broken> {
        match body {
            b"COMMIT\0" => self.committed = true,
            b"ROLLBACK\0" => self.rolled_back = true,
            // Whatever said so, perhaps inside a longer text.
            b"DEALLOCATE ALL\0" | b"DISCARD ALL\0" => server.prepared.clear(),
            _ => self.tally.changed_schema |= changes_schema(body),
        }
        if self.mode == PoolMode::Session && matches!(body, b"RESET\0" | b"DISCARD ALL\0") {
            self.was_reset = true;
        }
        self.copy_in = false;
        self.swallowed_syncs = false;
        match self.expected.head() {
            Some(Kind::Query) => {}
            Some(Kind::Execute) => {
                let answered = self.expected.pop();
                self.tally.queries += 1;
                if let Some(note) = answered.and_then(|expected| expected.note) {
                    self.succeeded(server, &note.effects);
                }
            }
            _ if server.unprovable => {}
            _ => return Err(Broken::OutOfStep(tag::COMMAND_COMPLETE)),
        }
        Ok(())
    }

    /// Whether the client sees the error: it does, unless it gets the gateway's own instead.
    fn error(
        &mut self,
        body: &[u8],
        server: &mut ServerState,
        to_client: &mut Sink<'_, '_>,
    ) -> bool {
        let view = backend::ErrorView::new(body);
        self.server_said_farewell |= view.is_fatal();
        self.failed = true;
        let sqlstate = view.sqlstate();
        self.tally.errors.push(sqlstate.map_or(*b"XX", class_of));
        if self.swallowed_syncs && !self.lost_count {
            match self.expected.head() {
                Some(Kind::Execute) => self.doubtful = true,
                _ => self.lose_count(server),
            }
        }
        self.copy_in = false;
        let refusal = self
            .expected
            .head_mut()
            .and_then(|head| head.note.as_mut())
            .and_then(|note| note.refusal.take())
            .filter(|refusal| refusal.of.is_none() || refusal.of == sqlstate);
        if self.mode == PoolMode::Transaction && refusal.is_none() {
            self.doubt_statements(sqlstate, server);
        }
        match self.expected.head() {
            None if self.unsynced => self.skip_to_sync = true,
            // Not asked for: the server is going away. What follows is its end.
            None => {}
            Some(Kind::Query | Kind::Function | Kind::Sync | Kind::Local | Kind::OwnQuery) => {}
            Some(_) => {
                let (skipped, ends) = self.expected.fail_to_sync();
                self.skip_to_sync = !ends;
                self.undo(skipped, server);
            }
        }
        match refusal {
            Some(refusal) => {
                to_client.insert().extend_from_slice(&refusal.error);
                false
            }
            None => true,
        }
    }

    /// Some errors say that the statements on the server are not what they were thought to be.
    fn doubt_statements(&mut self, sqlstate: Option<SqlState>, server: &mut ServerState) {
        let runs = matches!(
            self.expected.head(),
            Some(Kind::Bind | Kind::Describe | Kind::Execute)
        );
        // What was right when it was prepared is wrong now: a type, a column, a function is another
        // one. The client will prepare it anew, and must not be given the stale one.
        let is_stale = |state: SqlState| {
            state == FEATURE_NOT_SUPPORTED
                || state == INTERNAL_ERROR
                || state.class() == "42"
                || matches!(state.as_str(), "22P02" | "22P03")
        };
        self.doubts_statements |= runs && sqlstate.is_some_and(is_stale);
        // These two are hardly ever about anything else: nobody is given the stale one again, on no worker.
        self.tally.changed_schema |= runs
            && sqlstate
                .is_some_and(|state| state == FEATURE_NOT_SUPPORTED || state == INTERNAL_ERROR);
        let asks_by_name = matches!(
            self.expected.head(),
            Some(Kind::Parse | Kind::OwnParse | Kind::Bind | Kind::Describe)
        );
        // "cached plan must not change result type", "cache lookup failed for type": so that the next
        // client has none of these. The others: somebody deallocated by a function, or prepared.
        server.dirty |= sqlstate == Some(FEATURE_NOT_SUPPORTED)
            || runs && sqlstate == Some(INTERNAL_ERROR)
            || asks_by_name
                && (sqlstate == Some(INVALID_SQL_STATEMENT_NAME)
                    || sqlstate == Some(DUPLICATE_PREPARED_STATEMENT));
    }

    /// Takes back, latest first, what messages would have done: the first failed, the server
    /// skipped the others.
    fn undo(&mut self, skipped: Vec<Expected>, server: &mut ServerState) {
        let mut unnamed = Unnamed::default();
        for (at, expected) in skipped.into_iter().enumerate().rev() {
            let was = expected.unnamed;
            // A Parse drops the old one before it fails.
            let fails = at == 0;
            if let Some(was) = was.session {
                unnamed.session = Some(was.filter(|_| !fails));
            }
            if let Some(was) = was.server {
                unnamed.server = Some(was.filter(|_| !fails));
            }
            if let Some(note) = expected.note {
                self.undo_note(*note, server);
            }
        }
        let unnamed = self.expected.inherit_unnamed(unnamed);
        if let Some(unnamed) = unnamed.session {
            self.unnamed = unnamed;
        }
        if let Some(unnamed) = unnamed.server {
            server.unnamed = unnamed;
        }
    }

    fn undo_note(&mut self, note: Note, server: &mut ServerState) {
        if let Some((name, id)) = note.defines
            && let Some(statements) = self.statements.as_mut()
            && statements
                .get(&name)
                .is_some_and(|statement| statement.id == id)
        {
            statements.remove(&name);
        }
        // What comes behind has the last word on what is there; if it takes off what is not
        // there, then there is nothing to bring back.
        if let Some(id) = note.prepares {
            match self.expected.mover(id) {
                Some(mover) => mover.evicts = None,
                None => drop(server.prepared.pop(&id)),
            }
        }
        if let Some(id) = note.evicts
            && self.expected.mover(id).is_none()
        {
            server.prepared.push(id, ());
        }
        if let Some((name, statement)) = note.closed {
            self.statements
                .get_or_insert_default()
                .insert(name, statement);
        }
    }

    fn copy_in_begins(&mut self, server: &mut ServerState) {
        self.copy_in = true;
        let (syncs, others) = self.expected.swallow_syncs();
        self.swallowed_syncs = syncs > 0;
        if others || self.ended_ahead {
            self.lose_count(server);
        }
        if syncs > 0 {
            self.unsynced = true;
        }
    }

    fn ready(&mut self, body: &[u8], server: &mut ServerState) -> Result<bool, Broken> {
        server.status = status(body)?;
        let note = match self.expected.head() {
            // This one's, or that of a Sync before.
            Some(Kind::Sync) if self.doubtful => None,
            // The server read it after all: what follows is not skipped.
            None if self.doubtful => {
                self.doubtful = false;
                self.skip_to_sync = false;
                self.unsynced = false;
                None
            }
            Some(Kind::Query | Kind::Function | Kind::Sync) => {
                self.expected.pop().and_then(|expected| {
                    if expected.kind != Kind::Sync {
                        self.tally.queries += 1;
                    }
                    expected.note
                })
            }
            _ if server.unprovable => None,
            _ => return Err(Broken::OutOfStep(tag::READY_FOR_QUERY)),
        };
        self.copy_in = false;
        self.swallowed_syncs = false;
        self.ended_ahead &= !self.expected.is_empty();
        if let Some(note) = note {
            self.settle(&note.effects, server);
        }
        self.end_of_cycle(server);
        Ok(true)
    }

    /// A simple query is answered: do its effects count?
    fn settle(&mut self, effects: &Effects, server: &mut ServerState) {
        if !self.failed {
            self.succeeded(server, effects);
        }
        let stays = |effect: &Effect| !matches!(effect, Effect::Unseen | Effect::Sequence);
        let may_stay = effects.list.iter().any(stays);
        if !effects.single && may_stay && (self.failed || self.rolled_back) {
            // One of several statements failed or ended the transaction: which effects stayed
            // only the server knows.
            self.pin(server, PinReason::Setting);
        }
    }

    /// After each ReadyForQuery: what is certain now?
    fn end_of_cycle(&mut self, server: &mut ServerState) {
        let settings = &self.parameters;
        // Whether they were set before or after what was rolled back cannot be told.
        let is_mixed = self.committed && (self.failed || self.rolled_back)
            || self.rolled_back && settings.has_new_uncertain();
        // To a savepoint, or with AND CHAIN: what is left of them cannot be told either.
        let is_partly_back = self.rolled_back && server.status != TransactionStatus::Idle;
        if (is_mixed || is_partly_back) && settings.has_uncertain() {
            self.pin(server, PinReason::Setting);
        }
        let ServerState {
            applied,
            reported,
            status,
            ..
        } = server;
        let reported = |name: &str| value_of(reported, name);
        if *status == TransactionStatus::Idle {
            let committed = !self.failed && !self.rolled_back;
            self.parameters
                .transaction_ended(committed, applied, reported);
            self.drifted =
                self.mode == PoolMode::Transaction && server.applied != *self.parameters.current();
            if self.expected.is_empty() && !self.unsynced {
                self.portals.clear();
            }
            self.tally.transactions += 1;
        } else if self.committed {
            self.parameters.transaction_ended(true, applied, reported);
        }
        self.parameters.cycle_ended();
        self.failed = false;
        self.committed = false;
        self.rolled_back = false;
    }

    /// Gives the answers of our own whose turn has come.
    fn answer_locally(&mut self, to_client: &mut Sink<'_, '_>) {
        if self.server_rest.bytes > 0 {
            return;
        }
        while let Some(answer) = self.expected.pop_if(Kind::Local) {
            if let Some(note) = answer.note {
                to_client.insert().extend_from_slice(&note.local);
            }
        }
    }
}

/// Whether a command of this tag may have changed what a prepared statement speaks of. To make things
/// changes none that were there; a view may be made in the place of another.
fn changes_schema(tag: &[u8]) -> bool {
    tag.starts_with(b"ALTER ") || tag.starts_with(b"DROP ") || tag == b"CREATE VIEW\0"
}

fn value_of<'a>(reported: &'a [(Box<str>, Box<str>)], name: &str) -> Option<&'a str> {
    reported
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| &**value)
}

fn class_of(state: SqlState) -> [u8; 2] {
    let class = state.class().as_bytes();
    [class[0], class[1]]
}

fn status(body: &[u8]) -> Result<TransactionStatus, Broken> {
    TransactionStatus::decode(body).map_err(|error| Broken::Malformed(error.to_string()))
}

fn decode_parameter(body: &[u8]) -> Result<(String, String), Broken> {
    let parameter = backend::ParameterStatus::decode(body)
        .map_err(|error| Broken::Malformed(error.to_string()))?;
    Ok((
        parameter.name.to_owned(),
        parameter.value_str().into_owned(),
    ))
}
