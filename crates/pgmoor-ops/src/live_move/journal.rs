//! The journal: where a move is, kept in PostgreSQL itself, in a schema of its own at both sides.
//!
//! The target's row says where the move is; that of the source says only that there is one, and where to. How far
//! changes are done stands at the side that receives them, written by the transaction that does them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use pgmoor_wire::lsn::Lsn;

use tokio_postgres::types::ToSql;

use super::error::MoveError;
use super::fence::Before;
use super::names::SCHEMA;
use crate::session::Session;
use crate::sql::literal;
use crate::wire_session::WireSession;

/// How long a statement of the journal may take.
pub(crate) const STATEMENT: Duration = Duration::from_secs(30);

/// A message that says nothing but that all before it has been passed.
pub(crate) const BEACON: &str = "beacon";
/// A message that says that something was defined anew.
pub(crate) const DDL: &str = "ddl";

/// Which way changes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From source to target.
    Forward,
    /// From target to source, after a cutover.
    Back,
}

impl Direction {
    /// As the journal calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }
}

macro_rules! phases {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Where a move is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Phase {
            $($(#[$doc])* $name,)*
        }

        impl Phase {
            /// As the journal calls it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }

        impl FromStr for Phase {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$name),)*
                    _ => Err(format!("the journal has a phase \"{text}\", which this pgmoor does not know")),
                }
            }
        }
    };
}

phases! {
    /// The initial copy is under way; clients are at the source.
    Copying = "copying";
    /// The target has all that the source had, and follows; clients are at the source.
    Following = "following";
    /// A cutover is under way. Until it has come to its end, clients are at the source.
    CuttingOver = "cutting over";
    /// Clients are at the target; the source follows, so that one can go back.
    Moved = "moved";
    /// A rollback is under way. Until it has come to its end, clients are at the target.
    RollingBack = "rolling back";
    /// The move is done; the source is left as it was at the end, behind its fence.
    Finished = "finished";
}

impl Phase {
    /// Whether clients are at the target.
    pub fn is_at_target(self) -> bool {
        match self {
            Self::Copying | Self::Following | Self::CuttingOver => false,
            Self::Moved | Self::RollingBack | Self::Finished => true,
        }
    }

    /// Which way changes flow, if they do.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::Copying | Self::Finished => None,
            Self::Following | Self::CuttingOver => Some(Direction::Forward),
            Self::Moved | Self::RollingBack => Some(Direction::Back),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which side a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where the data comes from.
    Source,
    /// Where it goes.
    Target,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// What the journal at one side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which move: the same at both sides.
    pub id: String,
    /// Which side this is.
    pub is_source: bool,
    /// The database, as the gateway's clients call it.
    pub database: String,
    /// The endpoint of the source, as the configuration calls it.
    pub source: String,
    /// The endpoint of the target.
    pub target: String,
    /// Where the move is; that of the source does not count.
    pub phase: Phase,
    /// What was set here before there was a fence.
    pub before: Before,
    /// Tables of which the move set the replica identity, as they stand in SQL, and what it was (`d`, `n`).
    pub identities: Vec<(String, String)>,
}

/// Makes the tables of the journal, if they are not there.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn make(session: &Session) -> Result<(), MoveError> {
    let sql = format!(
        "create schema if not exists {SCHEMA};
        create table if not exists {SCHEMA}.move (
            is_only boolean primary key default true check (is_only),
            id text not null,
            role text not null,
            database text not null,
            source text not null,
            target text not null,
            phase text not null,
            began_at timestamptz not null default now(),
            changed_at timestamptz not null default now(),
            before_library text,
            before_read_only text,
            definitions text,
            identities text[] not null default '{{}}');
        create table if not exists {SCHEMA}.progress (
            direction text primary key,
            lsn pg_lsn not null,
            beacon bigint not null default 0,
            at timestamptz not null default now());
        create table if not exists {SCHEMA}.message (
            id bigint generated by default as identity primary key,
            kind text not null,
            text text not null,
            at timestamptz not null default now())"
    );
    let make = session.client().batch_execute(&sql);
    Ok(session.within("make the journal", STATEMENT, make).await?)
}

/// Writes the journal's row.
///
/// # Errors
/// [`MoveError::Server`], also when there is a row of another move.
pub async fn begin(session: &Session, role: Role, entry: &Entry) -> Result<(), MoveError> {
    let sql = format!(
        "insert into {SCHEMA}.move (id, role, database, source, target, phase, before_library, before_read_only, identities)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    let identities = pairs(&entry.identities);
    let (role, phase) = (role.word(), entry.phase.word());
    let values: [&(dyn ToSql + Sync); 9] = [
        &entry.id,
        &role,
        &entry.database,
        &entry.source,
        &entry.target,
        &phase,
        &entry.before.library,
        &entry.before.read_only,
        &identities,
    ];
    let insert = session.client().execute(&sql, &values);
    session
        .within("write the journal", STATEMENT, insert)
        .await?;
    Ok(())
}

fn pairs(identities: &[(String, String)]) -> Vec<String> {
    let pairs = identities.iter();
    pairs.map(|(table, was)| format!("{was}{table}")).collect()
}

/// Reads the journal at one side; `None` when there is none.
///
/// # Errors
/// [`MoveError::Server`], [`MoveError::Plan`] when it is of another version of pgmoor.
pub async fn read(session: &Session) -> Result<Option<Entry>, MoveError> {
    let client = session.client();
    let there = format!("select to_regclass('{SCHEMA}.move') is not null");
    let there = client.query_typed(&there, &[]);
    let there = session
        .within("look for a journal", STATEMENT, there)
        .await?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let sql = format!(
        "select id, role, database, source, target, phase, before_library, before_read_only, identities
         from {SCHEMA}.move"
    );
    let rows = client.query_typed(&sql, &[]);
    let rows = session.within("read the journal", STATEMENT, rows).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let phase: &str = row.get(5);
    let role: &str = row.get(1);
    let identities: Vec<String> = row.get(8);
    Ok(Some(Entry {
        id: row.get(0),
        is_source: role == Role::Source.word(),
        database: row.get(2),
        source: row.get(3),
        target: row.get(4),
        phase: phase.parse().map_err(|why| MoveError::Plan { why })?,
        before: Before {
            library: row.get(6),
            read_only: row.get(7),
        },
        identities: identities
            .iter()
            .filter_map(|pair| {
                let was = pair.get(..1)?;
                Some((pair.get(1..)?.to_owned(), was.to_owned()))
            })
            .collect(),
    }))
}

/// Notes where the move is, if it is still where it is thought to be. It is the decision: who reads the journal afterwards
/// goes on from there, and of two who decide only one does.
///
/// # Errors
/// [`MoveError::Server`]; then [`read`] tells whether it was noted. [`MoveError::Plan`] when it is not there any more.
pub async fn note_phase(session: &Session, from: Phase, to: Phase) -> Result<(), MoveError> {
    let sql = format!("update {SCHEMA}.move set phase = $2, changed_at = now() where phase = $1");
    let (from, to) = (from.word(), to.word());
    let update = async { session.client().execute(&sql, &[&from, &to]).await };
    let count = session
        .within("note where the move is", STATEMENT, update)
        .await?;
    match count {
        1 => Ok(()),
        _ => Err(MoveError::Plan {
            why: format!("the target's journal does not say any more that the move is {from}"),
        }),
    }
}

/// Notes what was set at this side before there was a fence.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn note_before(session: &Session, before: &Before) -> Result<(), MoveError> {
    let sql = format!("update {SCHEMA}.move set before_library = $1, before_read_only = $2");
    let update = async {
        let values: [&(dyn ToSql + Sync); 2] = [&before.library, &before.read_only];
        session.client().execute(&sql, &values).await
    };
    session
        .within("note what is set before the fence", STATEMENT, update)
        .await?;
    Ok(())
}

/// Where the log of this side ends now.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn end_of_log(session: &Session) -> Result<Lsn, MoveError> {
    let sql = "select pg_current_wal_insert_lsn()::text";
    let query = session.client().query_typed(sql, &[]);
    let rows = session
        .within("ask where the log ends", STATEMENT, query)
        .await?;
    let text: &str = rows[0].get(0);
    text.parse().map_err(|error| MoveError::Stream {
        endpoint: session.server.clone(),
        why: format!("{text}: {error}"),
    })
}

/// Notes from where on changes are to be done at this side.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn set_progress(
    session: &Session,
    direction: Direction,
    place: Lsn,
) -> Result<(), MoveError> {
    let sql = note_progress(direction, place, 0);
    let set = session.client().batch_execute(&sql);
    Ok(session
        .within("note where changes begin", STATEMENT, set)
        .await?)
}

/// The statement that notes how far changes are done.
pub(crate) fn note_progress(direction: Direction, place: Lsn, beacon: i64) -> String {
    let direction = literal(direction.word());
    format!(
        "insert into {SCHEMA}.progress (direction, lsn, beacon) values ({direction}, '{place}', {beacon}) \
         on conflict (direction) do update set lsn = excluded.lsn, beacon = excluded.beacon, at = now()"
    )
}

/// How far changes are done, by the side that receives them.
///
/// # Errors
/// [`MoveError::Server`], [`MoveError::Plan`] when nothing is noted.
pub(crate) async fn progress(
    session: &mut WireSession,
    direction: Direction,
) -> Result<(Lsn, i64), MoveError> {
    let sql = format!(
        "select lsn, beacon from {SCHEMA}.progress where direction = {}",
        literal(direction.word())
    );
    let row = session.row(&sql).await?;
    let place = row.text(0).and_then(|text| text.parse().ok());
    let place = place.ok_or_else(|| MoveError::Plan {
        why: format!(
            "the journal does not say from where on changes go {}",
            direction.word()
        ),
    })?;
    Ok((place, row.parse(1).unwrap_or_default()))
}

/// Whether it is noted from where on changes are to be done.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn has_progress(session: &Session, direction: Direction) -> Result<bool, MoveError> {
    let sql = format!(
        "select exists (select from {SCHEMA}.progress where direction = {})",
        literal(direction.word())
    );
    let query = session.client().query_typed(&sql, &[]);
    let rows = session.within("read the journal", STATEMENT, query).await?;
    Ok(rows[0].get(0))
}

/// Leaves a mark in the changes of this side: who has passed it has passed all that was committed before.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn beacon(session: &Session) -> Result<i64, MoveError> {
    let sql =
        format!("insert into {SCHEMA}.message (kind, text) values ('{BEACON}', '') returning id");
    let insert = session.client().query_typed(&sql, &[]);
    let rows = session
        .within("leave a mark in the changes", STATEMENT, insert)
        .await?;
    Ok(rows[0].get(0))
}

/// The name of a new move.
pub(crate) fn new_id() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("{nanos:x}-{:x}", std::process::id())
}

/// Removes all that the journal is.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn remove(session: &Session) -> Result<(), MoveError> {
    let sql = format!("drop schema if exists {SCHEMA} cascade");
    let drop = session.client().batch_execute(&sql);
    Ok(session
        .within("remove the journal", STATEMENT, drop)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_read_as_it_is_written() {
        for phase in [
            Phase::Copying,
            Phase::Following,
            Phase::CuttingOver,
            Phase::Moved,
            Phase::RollingBack,
            Phase::Finished,
        ] {
            assert_eq!(phase.word().parse(), Ok(phase));
        }
        assert!("unheard of".parse::<Phase>().is_err());
    }
}
