//! Messages of the extended protocol in transaction mode, where statements are known by their text.

use std::rc::Rc;

use pgmoor_wire::backend::{self, TransactionStatus};
use pgmoor_wire::frame::{self, Header};
use pgmoor_wire::sqlstate::{
    DUPLICATE_PREPARED_STATEMENT, INVALID_SQL_STATEMENT_NAME, PROGRAM_LIMIT_EXCEEDED,
};
use pgmoor_wire::{frontend, tag};

use super::client::{Act, ClientSide, MAX_NAMES, REFUSED, encoded, error, malformed};
use super::expected::{Expected, Kind, Note, Refusal, Unnamed};
use super::placing::{does_not_exist, missing};
use super::{Portal, Relay, ServerState, Violation};
use crate::settings::SessionState;
use crate::sql::{Effect, Effects, effects};
use crate::statements::{NAME_PREFIX, NO_STATEMENT, Statement};

/// Named statements that one client may hold.
const MAX_STATEMENTS: usize = 10_000;
/// Made and deallocated in one go, to have an error or an answer from the server itself.
const GONE: &[u8] = b"pgmoor_gone";
/// In place of the name of a statement that the server knows by another one, or not at all.
const DEALLOCATE_GONE: &[u8] = b"DEALLOCATE pgmoor_gone\0";
const NO_TYPES: &[u8] = b"\0\0";

impl Relay {
    pub(super) fn parse(
        &mut self,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let parse = frontend::Parse::decode(body).map_err(malformed)?;
        let definition = &body[parse.name.len() + 1..];
        if parse.name.is_empty() {
            return self.parse_unnamed(parse.query, definition, side);
        }
        if self.is_name_open(parse.name) {
            return Ok(Act::Wait);
        }
        let known = self.statements.as_ref();
        if known.is_some_and(|known| known.contains_key(parse.name)) {
            return self.parse_again(&parse, side);
        }
        if known.is_some_and(|known| known.len() >= MAX_STATEMENTS) {
            let text = format!("more than {MAX_STATEMENTS} prepared statements in one session");
            let hint = "close statements that are not needed any more, or set the driver's statement cache lower";
            return self.refuse_parse(error(PROGRAM_LIMIT_EXCEEDED, &text, hint), side);
        }
        let statement = side.registry.intern(
            definition,
            self.parameters.current(),
            std::mem::take(&mut self.doubts_statements),
        );
        let is_there = side.server.prepared.contains(&statement.id);
        if self.is_moving(statement.id)
            || is_there && self.can_wait() && self.expected.has_boundary()
        {
            return Ok(Act::Wait);
        }
        if self.session_state == SessionState::Refuse
            && let Some(refusal) = self.judge(&statement.effects, side.server)
        {
            return self.refuse_parse(refusal, side);
        }
        self.unsynced = true;
        self.statements
            .get_or_insert_default()
            .insert(parse.name.into(), statement.clone());
        let defines = Some((parse.name.into(), statement.id));
        if is_there && side.server.status != TransactionStatus::Failed {
            side.server.prepared.promote(&statement.id);
            let mut local = Vec::new();
            backend::write_parse_complete(&mut local);
            let note = Note {
                local,
                defines,
                ..Note::default()
            };
            self.answer(note, side);
            return Ok(Act::Drop);
        }
        if is_there {
            // Only the server can say whether it takes it in a failed transaction.
            self.take_off(statement.id, side)?;
        }
        self.make_room(side)?;
        self.send_parse(&statement, side)?;
        let note = Note {
            defines,
            prepares: Some(statement.id),
            ..Note::default()
        };
        self.expected.push_with(Kind::Parse, note);
        Ok(Act::Drop)
    }

    /// The client has a statement of this name: the server finds out whether that is the first
    /// thing wrong with the message.
    fn parse_again(
        &mut self,
        parse: &frontend::Parse<'_>,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        self.unsynced = true;
        self.prepare_gone(side)?;
        encoded(frontend::write_parse(
            side.to_server.insert(),
            GONE,
            parse.query,
            parse.types,
        ))?;
        let name = String::from_utf8_lossy(parse.name);
        let text = format!("prepared statement \"{name}\" already exists");
        let refusal = Refusal {
            of: Some(DUPLICATE_PREPARED_STATEMENT),
            error: error(DUPLICATE_PREPARED_STATEMENT, &text, ""),
        };
        self.expected.push_with(Kind::Parse, refused(refusal));
        Ok(Act::Drop)
    }

    fn parse_unnamed(
        &mut self,
        query: &[u8],
        definition: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let effects = effects(query);
        if let Some(name) = deallocates(&effects) {
            if self.is_name_open(name) {
                return Ok(Act::Wait);
            }
            // If not, it may be one that SQL prepared on this very connection.
            if self.knows(name) || !self.prepares_by_sql {
                let definition = [DEALLOCATE_GONE, NO_TYPES].concat();
                let statement = Statement::unnamed(&definition, effects);
                self.send_parse(&statement, side)?;
                self.parsed_unnamed(statement, side.server);
                return Ok(Act::Drop);
            }
        }
        if self.session_state == SessionState::Refuse
            && let Some(refusal) = self.judge(&effects, side.server)
        {
            return self.refuse_parse(refusal, side);
        }
        self.parsed_unnamed(Statement::unnamed(definition, effects), side.server);
        Ok(Act::Forward)
    }

    fn parsed_unnamed(&mut self, statement: Statement, server: &mut ServerState) {
        self.unsynced = true;
        self.push_unnamed(Kind::Parse, Some(Rc::new(statement)), None, server);
    }

    /// Expects the answer to a message that changes the unnamed statement.
    pub(super) fn push_unnamed(
        &mut self,
        kind: Kind,
        now: Option<Rc<Statement>>,
        note: Option<Box<Note>>,
        server: &mut ServerState,
    ) {
        let id = now.as_ref().map(|statement| statement.id);
        let unnamed = Unnamed {
            session: Some(std::mem::replace(&mut self.unnamed, now)),
            server: Some(std::mem::replace(&mut server.unnamed, id)),
        };
        self.expected.add(Expected {
            kind,
            unnamed,
            note,
        });
    }

    /// A text that is refused for what it would do.
    fn refuse_parse(
        &mut self,
        refusal: Vec<u8>,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        self.unsynced = true;
        let out = side.to_server.insert();
        encoded(frontend::write_parse(out, NO_STATEMENT, REFUSED, NO_TYPES))?;
        let refusal = Refusal {
            of: None,
            error: refusal,
        };
        self.expected.push_with(Kind::Parse, refused(refusal));
        Ok(Act::Drop)
    }

    pub(super) fn bind(
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
        let Some(mut resolved) = self.resolve(bind.statement, side)? else {
            return Ok(Act::Wait);
        };
        if let Some(statement) = &resolved.statement
            && let Some(error) = self.refuse_sequence(&statement.effects, side.server)
        {
            resolved = missing(Refusal {
                of: Some(INVALID_SQL_STATEMENT_NAME),
                error,
            });
        }
        self.unsynced = true;
        self.portals.retain(|portal| *portal.name != *bind.portal);
        if let Some(statement) = resolved.statement
            && !statement.effects.list.is_empty()
        {
            self.judge(&statement.effects, side.server);
            self.portals.push(Portal {
                name: bind.portal.into(),
                effects: statement.effects.clone(),
                deallocates_gone: statement.definition.starts_with(DEALLOCATE_GONE),
            });
        }
        self.push_refusable(Kind::Bind, resolved.refusal);
        let name = resolved.name;
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

    pub(super) fn describe(
        &mut self,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let target = frontend::Target::decode(body).map_err(malformed)?;
        if target.kind != b'S' {
            self.extended(Kind::Describe);
            return Ok(Act::Forward);
        }
        let Some(resolved) = self.resolve(target.name, side)? else {
            return Ok(Act::Wait);
        };
        self.unsynced = true;
        self.push_refusable(Kind::Describe, resolved.refusal);
        if *resolved.name == *target.name {
            return Ok(Act::Forward);
        }
        let out = side.to_server.insert();
        encoded(frontend::write_describe(out, b'S', &resolved.name))?;
        Ok(Act::Drop)
    }

    fn push_refusable(&mut self, kind: Kind, refusal: Option<Refusal>) {
        match refusal {
            None => self.expected.push(kind),
            Some(refusal) => self.expected.push_with(kind, refused(refusal)),
        }
    }

    pub(super) fn close(
        &mut self,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        let target = frontend::Target::decode(body).map_err(malformed)?;
        if target.kind != b'S' {
            self.extended(Kind::Close);
            return Ok(Act::Forward);
        }
        if target.name.is_empty() {
            self.unsynced = true;
            self.push_unnamed(Kind::Close, None, None, side.server);
            return Ok(Act::Forward);
        }
        if self.is_name_open(target.name) {
            return Ok(Act::Wait);
        }
        self.unsynced = true;
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
        let note = Note {
            local,
            closed,
            ..Note::default()
        };
        self.answer(note, side);
        Ok(Act::Drop)
    }

    pub(super) fn execute(
        &mut self,
        body: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Act, Violation> {
        if self.portals.is_empty() {
            self.extended(Kind::Execute);
            return Ok(Act::Forward);
        }
        let execute = frontend::Execute::decode(body).map_err(malformed)?;
        let bound = self
            .portals
            .iter()
            .find(|portal| *portal.name == *execute.portal);
        let Some(bound) = bound else {
            self.extended(Kind::Execute);
            return Ok(Act::Forward);
        };
        let effects = bound.effects.clone();
        let mut refusal = None;
        if let (true, Some(name)) = (bound.deallocates_gone, deallocates(&effects)) {
            if self.is_name_open(name) {
                return Ok(Act::Wait);
            }
            match self.knows(name) {
                true => self.prepare_gone(side)?,
                false => {
                    encoded(frontend::write_close(side.to_server.insert(), b'S', GONE))?;
                    self.expected.push(Kind::OwnClose);
                }
            }
            refusal = Some(does_not_exist(name));
        }
        self.unsynced = true;
        let note = Note {
            effects,
            refusal,
            ..Note::default()
        };
        self.expected.push_with(Kind::Execute, note);
        Ok(Act::Forward)
    }

    /// Prepares the statement that is there to be in the way, or to go.
    pub(super) fn prepare_gone(
        &mut self,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<(), Violation> {
        let out = side.to_server.insert();
        // It is there already when its turn to go did not come.
        encoded(frontend::write_close(out, b'S', GONE))?;
        encoded(frontend::write_parse(out, GONE, b"", NO_TYPES))?;
        self.expected.push(Kind::OwnClose);
        self.expected.push(Kind::OwnParse);
        Ok(())
    }

    /// Answers in the server's place: now, or after what the server still owes.
    pub(super) fn answer(&mut self, mut note: Note, side: &mut ClientSide<'_, '_, '_>) {
        if self.expected.is_empty() && self.server_rest.bytes == 0 {
            side.to_client.append(&mut note.local);
        } else {
            self.expected.push_with(Kind::Local, note);
        }
    }

    /// What the client's name stands for depends on answers that are still owed.
    pub(super) fn is_name_open(&self, name: &[u8]) -> bool {
        self.can_wait() && self.expected.leaves_open(|note| note.renames(name))
    }

    /// Whether the server will have this statement depends on answers that are still owed.
    pub(super) fn is_moving(&self, id: u64) -> bool {
        self.can_wait() && self.expected.leaves_open(|note| note.moves(id))
    }

    pub(super) fn knows(&self, name: &[u8]) -> bool {
        self.statements
            .as_ref()
            .is_some_and(|statements| statements.contains_key(name))
    }
}

/// The name of the one statement that a text deallocates and does nothing else.
fn deallocates(effects: &Effects) -> Option<&[u8]> {
    match (effects.single, &*effects.list) {
        (true, [Effect::Deallocate { name }]) => Some(name.as_bytes()),
        _ => None,
    }
}

fn refused(refusal: Refusal) -> Note {
    Note {
        refusal: Some(refusal),
        ..Note::default()
    }
}
