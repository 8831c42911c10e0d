//! Client to server: what a client's messages become.

use std::rc::Rc;

use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus};
use pgmoor_wire::frame::{self, Header};
use pgmoor_wire::sqlstate::{self, SqlState};
use pgmoor_wire::{frontend, tag};

use super::expected::{Kind, Note};
use super::{Flow, Relay, Rest, ServerState, Sink, Violation};
use crate::settings::{PoolMode, SessionState};
use crate::sql::{Effect, Effects, LOOKED_AT, PinReason, effects};
use crate::statements::{NAME_PREFIX, NO_STATEMENT, Registry, Statement};

/// A Parse is kept whole, so that it can be sent again elsewhere: its length in bytes.
const MAX_PARSE: usize = 16 << 20;
/// Names of portals and statements with their message.
const MAX_NAMES: usize = 16 << 10;
/// Named statements that one client may hold.
const MAX_STATEMENTS: usize = 10_000;
/// Never prepared by anybody: made and deallocated in one go to give the right answer.
const GONE: &[u8] = b"pgmoor_gone";
/// Text that every server refuses, sent in place of what the gateway refuses.
const REFUSED: &[u8] = b"-- refused by pgmoor\n!";

/// What becomes of a message.
enum Act {
    Forward,
    /// Pass on from this byte of the message on; what stands before is written already.
    ForwardFrom(usize),
    Drop,
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
                Act::Terminate => return Ok((end, Flow::Terminated)),
            };
            self.client_rest = Rest {
                bytes: at + header.len - end,
                forward,
            };
            at = end;
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
        if self.copy_in
            && matches!(
                header.tag,
                tag::QUERY | tag::PARSE | tag::BIND | tag::EXECUTE
            )
        {
            // The server takes it for a broken COPY and answers only that.
            self.lose_count(side.server);
        }
        match header.tag {
            tag::QUERY if pooled => return self.query(header, body, side),
            tag::PARSE if pooled => return self.parse(body, side),
            tag::BIND if pooled => return self.bind(header, body, side),
            tag::DESCRIBE if pooled => return self.describe(body, side),
            tag::CLOSE if pooled => return self.close(body, side),
            tag::EXECUTE if pooled => return self.execute(body),
            tag::QUERY => {
                self.unsynced = false;
                self.expected.push(Kind::Query);
            }
            tag::PARSE => self.extended(Kind::Parse),
            tag::BIND => self.extended(Kind::Bind),
            tag::DESCRIBE => self.extended(Kind::Describe),
            tag::CLOSE => self.extended(Kind::Close),
            tag::EXECUTE => self.extended(Kind::Execute),
            tag::FUNCTION_CALL => self.expected.push(Kind::Function),
            tag::SYNC => self.sync(),
            tag::COPY_DONE | tag::COPY_FAIL => {
                if !self.copy_in && self.expected.has_sync() {
                    // Sent ahead of the answer: whether a Sync was swallowed cannot be told.
                    self.lose_count(side.server);
                }
                self.copy_in = false;
            }
            tag::COPY_DATA | tag::FLUSH => {}
            tag::TERMINATE => return Ok(Act::Terminate),
            other => return Err(Violation::Unexpected(other)),
        }
        Ok(Act::Forward)
    }

    fn extended(&mut self, kind: Kind) {
        self.unsynced = true;
        self.expected.push(kind);
    }

    fn sync(&mut self) {
        // During COPY FROM STDIN the server ignores it.
        if !self.copy_in {
            self.expected.push(Kind::Sync);
            self.unsynced = false;
            self.skip_to_sync = false;
        }
    }

    fn query(
        &mut self,
        header: Header,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let text = body.strip_suffix(&[0]).unwrap_or(body);
        let effects = effects(text);
        self.unsynced = false;
        self.unnamed = None;
        side.server.unnamed = None;
        if header.len > LOOKED_AT {
            side.server.dirty = true;
        }
        if effects.list.is_empty() {
            self.expected.push(Kind::Query);
            return Ok(Act::Forward);
        }
        if let (true, [Effect::Deallocate { name }]) = (effects.single, &*effects.list)
            && side.server.status != TransactionStatus::Failed
            && self.forget(name.as_bytes())
        {
            let mut local = Vec::new();
            encoded(backend::write_command_complete(&mut local, "DEALLOCATE"))?;
            if self.expected.is_empty() {
                backend::write_ready(&mut local, side.server.status);
                side.to_client.append(&mut local);
            } else {
                let note = Note {
                    local,
                    ready: true,
                    ..Note::default()
                };
                self.expected.push_with(Kind::Local, note);
            }
            return Ok(Act::Drop);
        }
        if let Some(refusal) = self.judge(&effects, side.server) {
            encoded(frontend::write_query(
                side.to_server.insert(),
                &String::from_utf8_lossy(REFUSED),
            ))?;
            self.expected.push_with(Kind::Query, refused(refusal));
            return Ok(Act::Drop);
        }
        let note = Note {
            effects,
            ..Note::default()
        };
        self.expected.push_with(Kind::Query, note);
        Ok(Act::Forward)
    }

    fn parse(&mut self, body: &[u8], side: &mut ClientSide<'_, '_, '_>) -> Result<Act, Violation> {
        let parse = frontend::Parse::decode(body).map_err(malformed)?;
        let definition = &body[parse.name.len() + 1..];
        self.unsynced = true;
        if parse.name.is_empty() {
            return self.parse_unnamed(parse.query, definition, side);
        }
        let known = self.statements.as_ref();
        let name = String::from_utf8_lossy(parse.name);
        if known.is_some_and(|known| known.contains_key(parse.name)) {
            let text = format!("prepared statement \"{name}\" already exists");
            return self.refuse_parse(
                b"",
                error(sqlstate::DUPLICATE_PREPARED_STATEMENT, &text, ""),
                side,
            );
        }
        if known.is_some_and(|known| known.len() >= MAX_STATEMENTS) {
            let text = format!("more than {MAX_STATEMENTS} prepared statements in one session");
            let hint = "close statements that are not needed any more, or set the driver's statement cache lower";
            return self.refuse_parse(
                b"",
                error(sqlstate::PROGRAM_LIMIT_EXCEEDED, &text, hint),
                side,
            );
        }
        let statement = side.registry.intern(definition);
        if self.session_state == SessionState::Refuse
            && let Some(refusal) = self.judge(&statement.effects, side.server)
        {
            return self.refuse_parse(b"", refusal, side);
        }
        self.statements
            .get_or_insert_default()
            .insert(parse.name.into(), statement.clone());
        self.tally.client_parses += 1;
        let defines = Some((parse.name.into(), statement.id));
        if side.server.prepared.get(&statement.id).is_some() {
            let mut answer = Vec::new();
            backend::write_parse_complete(&mut answer);
            self.answer_defining(answer, defines, side);
        } else {
            self.make_room(side)?;
            self.send_parse(&statement, side)?;
            let note = Note {
                defines,
                prepares: Some(statement.id),
                ..Note::default()
            };
            self.expected.push_with(Kind::Parse, note);
        }
        Ok(Act::Drop)
    }

    fn parse_unnamed(
        &mut self,
        query: &[u8],
        definition: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let effects = effects(query);
        if let (true, [Effect::Deallocate { name }]) = (effects.single, &*effects.list)
            && self.forget(name.as_bytes())
        {
            return self.parse_deallocate(side);
        }
        if self.session_state == SessionState::Refuse
            && let Some(refusal) = self.judge(&effects, side.server)
        {
            return self.refuse_parse(b"", refusal, side);
        }
        let statement = Rc::new(Statement::unnamed(definition, effects));
        side.server.unnamed = Some(statement.id);
        self.unnamed = Some(statement);
        self.expected.push(Kind::Parse);
        Ok(Act::Forward)
    }

    /// `DEALLOCATE` of a statement that the server knows by another name, or not at all: it
    /// deallocates one that is made for that, so that all answers are the server's own.
    fn parse_deallocate(&mut self, side: &mut ClientSide<'_, '_, '_>) -> Result<Act, Violation> {
        let text = [b"DEALLOCATE ", GONE, b"\0\0\0"].concat();
        let out = side.to_server.insert();
        encoded(frontend::write_parse(out, GONE, b"", b"\0\0"))?;
        encoded(frontend::write_parse(
            out,
            b"",
            &text[..text.len() - 3],
            b"\0\0",
        ))?;
        self.expected.push(Kind::OwnParse);
        self.expected.push(Kind::Parse);
        let statement = Rc::new(Statement::unnamed(&text, Effects::default()));
        side.server.unnamed = Some(statement.id);
        self.unnamed = Some(statement);
        Ok(Act::Drop)
    }

    fn refuse_parse(
        &mut self,
        name: &[u8],
        refusal: Vec<u8>,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        encoded(frontend::write_parse(
            side.to_server.insert(),
            name,
            REFUSED,
            b"\0\0",
        ))?;
        side.server.unnamed = None;
        self.unnamed = None;
        self.expected.push_with(Kind::Parse, refused(refusal));
        Ok(Act::Drop)
    }

    fn bind(
        &mut self,
        header: Header,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let incomplete = || Violation::TooLong {
            tag: header.tag,
            length: header.len,
            limit: MAX_NAMES,
        };
        let bind = frontend::Bind::decode(body).map_err(|error| {
            if body.len() + frame::HEADER < header.len {
                incomplete()
            } else {
                malformed(error)
            }
        })?;
        self.unsynced = true;
        let (name, statement) = self.resolve(bind.statement, side)?;
        self.tally.binds += u32::from(!bind.statement.is_empty());
        if let Some(statement) = statement
            && !statement.effects.list.is_empty()
        {
            self.judge(&statement.effects, side.server);
            self.portals
                .push((bind.portal.into(), statement.effects.clone()));
        }
        self.expected.push(Kind::Bind);
        if *name == *bind.statement {
            return Ok(Act::Forward);
        }
        // Portal, zero, statement, zero.
        let names = bind.portal.len() + bind.statement.len() + 2;
        let length = header.len - 1 - bind.statement.len() + name.len();
        let length = u32::try_from(length).map_err(|_| incomplete())?;
        let out = side.to_server.insert();
        out.push(tag::BIND);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&body[..=bind.portal.len()]);
        out.extend_from_slice(&name);
        out.push(0);
        Ok(Act::ForwardFrom(frame::HEADER + names))
    }

    fn describe(
        &mut self,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let target = frontend::Target::decode(body).map_err(malformed)?;
        self.unsynced = true;
        if target.kind != b'S' {
            self.expected.push(Kind::Describe);
            return Ok(Act::Forward);
        }
        let (name, _) = self.resolve(target.name, side)?;
        self.expected.push(Kind::Describe);
        if *name == *target.name {
            return Ok(Act::Forward);
        }
        encoded(frontend::write_describe(
            side.to_server.insert(),
            b'S',
            &name,
        ))?;
        Ok(Act::Drop)
    }

    fn close(&mut self, body: &[u8], side: &mut ClientSide<'_, '_, '_>) -> Result<Act, Violation> {
        let target = frontend::Target::decode(body).map_err(malformed)?;
        self.unsynced = true;
        if target.kind != b'S' {
            self.expected.push(Kind::Close);
            return Ok(Act::Forward);
        }
        if target.name.is_empty() {
            self.unnamed = None;
            side.server.unnamed = None;
            self.expected.push(Kind::Close);
            return Ok(Act::Forward);
        }
        let closed = self
            .statements
            .as_mut()
            .and_then(|statements| statements.remove_entry(target.name));
        if closed.is_none() && self.pinned.is_some() && !target.name.starts_with(NAME_PREFIX) {
            // Perhaps prepared by SQL on this very connection.
            self.expected.push(Kind::Close);
            return Ok(Act::Forward);
        }
        let mut local = Vec::new();
        backend::write_close_complete(&mut local);
        if self.expected.is_empty() {
            side.to_client.append(&mut local);
        } else {
            let note = Note {
                local,
                closed,
                ..Note::default()
            };
            self.expected.push_with(Kind::Local, note);
        }
        Ok(Act::Drop)
    }

    fn execute(&mut self, body: &[u8]) -> Result<Act, Violation> {
        self.unsynced = true;
        if self.portals.is_empty() {
            self.expected.push(Kind::Execute);
            return Ok(Act::Forward);
        }
        let execute = frontend::Execute::decode(body).map_err(malformed)?;
        let bound = self
            .portals
            .iter()
            .rev()
            .find(|(portal, _)| **portal == *execute.portal);
        match bound {
            Some((_, effects)) => {
                let note = Note {
                    effects: effects.clone(),
                    ..Note::default()
                };
                self.expected.push_with(Kind::Execute, note);
            }
            None => self.expected.push(Kind::Execute),
        }
        Ok(Act::Forward)
    }

    /// The server's name for a client's statement, which the server has when its turn comes.
    fn resolve(
        &mut self,
        name: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<(Box<[u8]>, Option<Rc<Statement>>), Violation> {
        if name.is_empty() {
            let Some(statement) = self.unnamed.clone() else {
                // What stands there on the server is somebody else's.
                return Ok((NO_STATEMENT.into(), None));
            };
            if side.server.unnamed != Some(statement.id) {
                self.send_parse(&statement, side)?;
                self.expected.push(Kind::OwnParse);
                side.server.unnamed = Some(statement.id);
            }
            return Ok((Box::default(), Some(statement)));
        }
        match self
            .statements
            .as_ref()
            .and_then(|known| known.get(name))
            .cloned()
        {
            Some(statement) => {
                if side.server.prepared.get(&statement.id).is_none() {
                    self.make_room(side)?;
                    self.send_parse(&statement, side)?;
                    let note = Note {
                        prepares: Some(statement.id),
                        ..Note::default()
                    };
                    self.expected.push_with(Kind::OwnParse, note);
                }
                Ok((statement.name.clone(), Some(statement)))
            }
            None if name.starts_with(NAME_PREFIX) => Ok((NO_STATEMENT.into(), None)),
            None => Ok((name.into(), None)),
        }
    }

    fn send_parse(
        &mut self,
        statement: &Statement,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<(), Violation> {
        let text = statement
            .definition
            .iter()
            .position(|&b| b == 0)
            .unwrap_or(0);
        let (text, types) = statement.definition.split_at(text);
        let types = types.get(1..).unwrap_or_default();
        encoded(frontend::write_parse(
            side.to_server.insert(),
            &statement.name,
            text,
            types,
        ))?;
        if !statement.name.is_empty() {
            side.server.prepared.push(statement.id, ());
            self.tally.server_parses += 1;
        }
        Ok(())
    }

    /// Closes the least recently used statement when the server connection has its fill.
    fn make_room(&mut self, side: &mut ClientSide<'_, '_, '_>) -> Result<(), Violation> {
        if side.server.prepared.len() < side.server.statements.get() {
            return Ok(());
        }
        if let Some((oldest, ())) = side.server.prepared.pop_lru() {
            self.tally.evictions += 1;
            let name = [NAME_PREFIX, oldest.to_string().as_bytes()].concat();
            encoded(frontend::write_close(side.to_server.insert(), b'S', &name))?;
            let note = Note {
                evicts: Some(oldest),
                ..Note::default()
            };
            self.expected.push_with(Kind::OwnClose, note);
        }
        Ok(())
    }

    fn forget(&mut self, name: &[u8]) -> bool {
        self.statements
            .as_mut()
            .is_some_and(|statements| statements.remove(name).is_some())
    }

    /// Answers in the server's place: now, or after what the server still owes.
    fn answer_defining(
        &mut self,
        mut local: Vec<u8>,
        defines: Option<(Box<[u8]>, u64)>,
        side: &mut ClientSide<'_, '_, '_>,
    ) {
        if self.expected.is_empty() {
            side.to_client.append(&mut local);
        } else {
            let note = Note {
                local,
                defines,
                ..Note::default()
            };
            self.expected.push_with(Kind::Local, note);
        }
    }

    /// Pins the session for effects that cannot follow it, or gives the error that refuses them.
    fn judge(&mut self, effects: &Effects, server: &mut ServerState) -> Option<Vec<u8>> {
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

fn malformed(error: impl std::fmt::Display) -> Violation {
    Violation::Malformed(error.to_string())
}

fn encoded<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), Violation> {
    result.map_err(malformed)
}

fn refused(refusal: Vec<u8>) -> Note {
    Note {
        refusal: Some(refusal),
        ..Note::default()
    }
}

/// An ErrorResponse of the gateway's own.
fn error(state: SqlState, message: &str, hint: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fields = ErrorFields::error(state, message);
    if !hint.is_empty() {
        fields = fields.hint(hint);
    }
    fields.write_error(&mut out);
    out
}
