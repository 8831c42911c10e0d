//! Statements on a server connection: which it has, by which name, and making room for more.

use std::rc::Rc;

use pgmoor_wire::frontend;
use pgmoor_wire::sqlstate::INVALID_SQL_STATEMENT_NAME;

use super::client::{ClientSide, encoded, error};
use super::expected::{Expected, Kind, Note, Refusal, Unnamed};
use super::{Relay, Violation};
use crate::statements::{NAME_PREFIX, NO_STATEMENT, Statement};

/// What a client's name of a statement stands for on the server.
pub(super) struct Resolved {
    pub(super) name: Box<[u8]>,
    pub(super) statement: Option<Rc<Statement>>,
    /// When there is none: what the client is told of it.
    pub(super) refusal: Option<Refusal>,
}

impl Relay {
    /// The server's name for a client's statement, which the server has when its turn comes;
    /// `None` when that cannot be told yet.
    pub(super) fn resolve(
        &mut self,
        name: &[u8],
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Option<Resolved>, Violation> {
        if name.is_empty() {
            return self.resolve_unnamed(side);
        }
        if self.is_name_open(name) {
            return Ok(None);
        }
        let known = self.statements.as_ref().and_then(|known| known.get(name));
        let Some(statement) = known.cloned() else {
            if self.pinned.is_some() && !name.starts_with(NAME_PREFIX) {
                // Perhaps prepared by SQL on this very connection.
                return Ok(Some(Resolved {
                    name: name.into(),
                    statement: None,
                    refusal: None,
                }));
            }
            return Ok(Some(missing(does_not_exist(name))));
        };
        if self.is_moving(statement.id) {
            return Ok(None);
        }
        if side.server.prepared.get(&statement.id).is_none() {
            self.make_room(side)?;
            self.send_parse(&statement, side)?;
            let note = Note {
                prepares: Some(statement.id),
                ..Note::default()
            };
            self.expected.push_with(Kind::OwnParse, note);
        }
        Ok(Some(Resolved {
            name: statement.name.clone(),
            statement: Some(statement),
            refusal: None,
        }))
    }

    pub(super) fn resolve_unnamed(
        &mut self,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<Option<Resolved>, Violation> {
        if self.can_wait() && self.expected.leaves_unnamed_open() {
            return Ok(None);
        }
        let Some(statement) = self.unnamed.clone() else {
            // What stands there on the server is somebody else's.
            let text = "unnamed prepared statement does not exist";
            return Ok(Some(missing(Refusal {
                of: Some(INVALID_SQL_STATEMENT_NAME),
                error: error(INVALID_SQL_STATEMENT_NAME, text, ""),
            })));
        };
        if side.server.unnamed != Some(statement.id) {
            self.send_parse(&statement, side)?;
            let id = Some(statement.id);
            let unnamed = Unnamed {
                session: None,
                server: Some(std::mem::replace(&mut side.server.unnamed, id)),
            };
            self.expected.add(Expected {
                unnamed,
                ..Expected::new(Kind::OwnParse)
            });
        }
        Ok(Some(Resolved {
            name: Box::default(),
            statement: Some(statement),
            refusal: None,
        }))
    }

    pub(super) fn send_parse(
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
        }
        Ok(())
    }

    /// Closes the least recently used statements when the server connection has its fill.
    pub(super) fn make_room(&mut self, side: &mut ClientSide<'_, '_, '_>) -> Result<(), Violation> {
        while side.server.prepared.len() >= side.server.statements.get()
            && let Some((&oldest, ())) = side.server.prepared.peek_lru()
        {
            self.take_off(oldest, side)?;
        }
        Ok(())
    }

    /// Closes a statement on the server.
    pub(super) fn take_off(
        &mut self,
        id: u64,
        side: &mut ClientSide<'_, '_, '_>,
    ) -> Result<(), Violation> {
        side.server.prepared.pop(&id);
        let name = [NAME_PREFIX, id.to_string().as_bytes()].concat();
        encoded(frontend::write_close(side.to_server.insert(), b'S', &name))?;
        let note = Note {
            evicts: Some(id),
            ..Note::default()
        };
        self.expected.push_with(Kind::OwnClose, note);
        Ok(())
    }
}

pub(super) fn does_not_exist(name: &[u8]) -> Refusal {
    let name = String::from_utf8_lossy(name);
    let text = format!("prepared statement \"{name}\" does not exist");
    Refusal {
        of: Some(INVALID_SQL_STATEMENT_NAME),
        error: error(INVALID_SQL_STATEMENT_NAME, &text, ""),
    }
}

pub(super) fn missing(refusal: Refusal) -> Resolved {
    Resolved {
        name: NO_STATEMENT.into(),
        statement: None,
        refusal: Some(refusal),
    }
}
