//! The changes that the plugin `pgoutput` makes of the log (PostgreSQL documentation, "Logical Replication
//! Message Formats"), of protocol version 1: a transaction comes as a whole, after its commit.
//!
//! It does not know types: values are bytes, in text or binary form.

mod row;

use crate::lsn::Lsn;
use crate::read::{DecodeError, Reader};
use crate::replication::{Microseconds, lsn};
pub use row::{Row, Value};

/// The number of a table within one stream; its [`Change::Relation`] came before.
pub type RelationId = u32;

/// One message of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A transaction begins.
    Begin {
        /// Where its commit is.
        commit: Lsn,
        /// When it was committed.
        committed_at: Microseconds,
        /// Its number.
        xid: u32,
    },
    /// The transaction is complete.
    Commit {
        /// Where its commit is.
        commit: Lsn,
        /// Where the log goes on behind it: what is reported as flushed when all of it is safe.
        end: Lsn,
        /// When it was committed.
        committed_at: Microseconds,
    },
    /// The transaction came to the server from elsewhere.
    Origin {
        /// Where its commit is there.
        commit: Lsn,
        /// The name of that place.
        name: &'a str,
    },
    /// What a table looks like; before its first row, and again when it has changed.
    Relation(Relation<'a>),
    /// A type that is not one of PostgreSQL's own.
    Type {
        /// Its OID.
        oid: u32,
        /// Its schema.
        schema: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A new row.
    Insert {
        /// Of which table.
        relation: RelationId,
        /// The row.
        new: Row<'a>,
    },
    /// A changed row.
    Update {
        /// Of which table.
        relation: RelationId,
        /// What the row was; none where its identity is the same as that of the new one.
        old: Option<Old<'a>>,
        /// The row. Large values that did not change are [`Value::Unchanged`].
        new: Row<'a>,
    },
    /// A deleted row.
    Delete {
        /// Of which table.
        relation: RelationId,
        /// What the row was.
        old: Old<'a>,
    },
    /// Tables were emptied.
    Truncate {
        /// Whether those that refer to them were too.
        cascades: bool,
        /// Whether their sequences began again.
        restarts_identity: bool,
        /// The tables.
        relations: Relations<'a>,
    },
    /// Somebody called `pg_logical_emit_message`.
    Message {
        /// Whether it belongs to the transaction that it comes in.
        is_transactional: bool,
        /// Where it is.
        at: Lsn,
        /// Its prefix.
        prefix: &'a str,
        /// Its content.
        content: &'a [u8],
    },
}

/// What a row was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old<'a> {
    /// The columns of its identity; the others are NULL here.
    Key(Row<'a>),
    /// All of it (`REPLICA IDENTITY FULL`).
    Full(Row<'a>),
}

/// What a table looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its number in this stream.
    pub id: RelationId,
    /// Its schema; empty for `pg_catalog`.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
    /// `REPLICA IDENTITY`: `d` default, `n` nothing, `f` full, `i` index.
    pub replica_identity: u8,
    columns: Reader<'a>,
    count: usize,
}

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Whether it is part of the identity.
    pub is_key: bool,
    /// Its name.
    pub name: &'a str,
    /// The OID of its type.
    pub type_oid: u32,
    /// Its type modifier; -1 without one.
    pub type_modifier: i32,
}

/// The tables of a [`Change::Truncate`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Relations<'a> {
    ids: Reader<'a>,
    count: usize,
}

impl<'a> Change<'a> {
    /// Reads one message: the data of one [`XLogData`](crate::replication::ReplicationMessage::XLogData).
    ///
    /// # Errors
    /// [`DecodeError`] if it is not of this protocol version, or not as long as it says.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        let mut tag = Reader::new("pgoutput", data);
        let kind = tag.u8()?;
        let rest = tag.remaining();
        let reader = |name| Reader::new(name, rest);
        let (change, reader) = match kind {
            b'B' => begin(reader("Begin"))?,
            b'C' => commit(reader("Commit"))?,
            b'O' => origin(reader("Origin"))?,
            b'R' => relation(reader("Relation"))?,
            b'Y' => named_type(reader("Type"))?,
            b'I' => insert(reader("Insert"))?,
            b'U' => update(reader("Update"))?,
            b'D' => delete(reader("Delete"))?,
            b'T' => truncate(reader("Truncate"))?,
            b'M' => message(reader("Message"))?,
            _ => return Err(tag.error("it is of a kind that was not asked for")),
        };
        reader.end()?;
        Ok(change)
    }
}

/// A message and what is behind it.
type Decoded<'a> = Result<(Change<'a>, Reader<'a>), DecodeError>;

fn begin(mut reader: Reader<'_>) -> Decoded<'_> {
    let change = Change::Begin {
        commit: lsn(&mut reader)?,
        committed_at: reader.i64()?,
        xid: reader.u32()?,
    };
    Ok((change, reader))
}

fn commit(mut reader: Reader<'_>) -> Decoded<'_> {
    reader.u8()?;
    let change = Change::Commit {
        commit: lsn(&mut reader)?,
        end: lsn(&mut reader)?,
        committed_at: reader.i64()?,
    };
    Ok((change, reader))
}

fn origin(mut reader: Reader<'_>) -> Decoded<'_> {
    let change = Change::Origin {
        commit: lsn(&mut reader)?,
        name: reader.str()?,
    };
    Ok((change, reader))
}

fn relation(mut reader: Reader<'_>) -> Decoded<'_> {
    let id = reader.u32()?;
    let schema = reader.str()?;
    let name = reader.str()?;
    let replica_identity = reader.u8()?;
    let count = usize::from(reader.u16()?);
    let columns = reader;
    for _ in 0..count {
        column(&mut reader)?;
    }
    let relation = Relation {
        id,
        schema,
        name,
        replica_identity,
        columns,
        count,
    };
    Ok((Change::Relation(relation), reader))
}

fn column<'a>(reader: &mut Reader<'a>) -> Result<Column<'a>, DecodeError> {
    Ok(Column {
        is_key: reader.u8()? & 1 == 1,
        name: reader.str()?,
        type_oid: reader.u32()?,
        type_modifier: reader.i32()?,
    })
}

fn named_type(mut reader: Reader<'_>) -> Decoded<'_> {
    let change = Change::Type {
        oid: reader.u32()?,
        schema: reader.str()?,
        name: reader.str()?,
    };
    Ok((change, reader))
}

fn insert(mut reader: Reader<'_>) -> Decoded<'_> {
    let relation = reader.u32()?;
    if reader.u8()? != b'N' {
        return Err(reader.error("it has no new row"));
    }
    let new = Row::read(&mut reader)?;
    Ok((Change::Insert { relation, new }, reader))
}

fn update(mut reader: Reader<'_>) -> Decoded<'_> {
    let relation = reader.u32()?;
    let mut kind = reader.u8()?;
    let mut old = None;
    if kind != b'N' {
        old = Some(old_row(kind, &mut reader)?);
        kind = reader.u8()?;
    }
    if kind != b'N' {
        return Err(reader.error("it has no new row"));
    }
    let new = Row::read(&mut reader)?;
    Ok((Change::Update { relation, old, new }, reader))
}

fn delete(mut reader: Reader<'_>) -> Decoded<'_> {
    let relation = reader.u32()?;
    let kind = reader.u8()?;
    let old = old_row(kind, &mut reader)?;
    Ok((Change::Delete { relation, old }, reader))
}

fn old_row<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<Old<'a>, DecodeError> {
    match kind {
        b'K' => Row::read(reader).map(Old::Key),
        b'O' => Row::read(reader).map(Old::Full),
        _ => Err(reader.error("its old row is of an unknown kind")),
    }
}

fn truncate(mut reader: Reader<'_>) -> Decoded<'_> {
    let count =
        usize::try_from(reader.u32()?).map_err(|_| reader.error("it has too many tables"))?;
    let options = reader.u8()?;
    let ids = reader;
    // Not by the count: it may say more than there is.
    for _ in 0..count {
        reader.u32()?;
    }
    let change = Change::Truncate {
        cascades: options & 1 != 0,
        restarts_identity: options & 2 != 0,
        relations: Relations { ids, count },
    };
    Ok((change, reader))
}

fn message(mut reader: Reader<'_>) -> Decoded<'_> {
    let flags = reader.u8()?;
    let at = lsn(&mut reader)?;
    let prefix = reader.str()?;
    let length = usize::try_from(reader.u32()?).map_err(|_| reader.error("it is too long"))?;
    let change = Change::Message {
        is_transactional: flags & 1 == 1,
        at,
        prefix,
        content: reader.bytes(length)?,
    };
    Ok((change, reader))
}

impl<'a> Relation<'a> {
    /// How many columns it has; generated ones do not count before PostgreSQL 18.
    pub fn column_count(&self) -> usize {
        self.count
    }

    /// Its columns, in the order of the values of a [`Row`].
    pub fn columns(&self) -> impl Iterator<Item = Column<'a>> {
        let mut reader = self.columns;
        (0..self.count).map_while(move |_| column(&mut reader).ok())
    }
}

impl Relations<'_> {
    /// Their numbers.
    pub fn ids(&self) -> impl Iterator<Item = RelationId> {
        let mut reader = self.ids;
        (0..self.count).map_while(move |_| reader.u32().ok())
    }
}

impl std::fmt::Debug for Relations<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests;
