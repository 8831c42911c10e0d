//! What of the copy is done, noted in the target by the transaction that does it.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;
use super::error::CopyError;
use super::part::Part;
use crate::live_move::names::SCHEMA;
use crate::sql::literal;
use crate::wire_session::WireSession;

/// What is noted of statements.
const STATEMENT: &str = "statement";
/// What is noted of the script as a whole.
const SCRIPT: &str = "script";
/// What is noted of large objects.
pub(super) const OBJECTS: &str = "large objects";

/// What the target says of earlier work.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// A hash of all statements; none when nothing was begun.
    pub(super) script: Option<String>,
    /// Statements that were run, by their places.
    pub(super) statements: BTreeSet<usize>,
    /// Parts of tables (and of [`OBJECTS`]) by name.
    pub(super) parts: BTreeMap<String, Vec<Copied>>,
}

/// A part that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) part: Part,
    /// As of when.
    pub(super) mark: String,
    pub(super) digest: Digest,
}

/// Makes the table, if it is not there.
pub(super) async fn make(session: &mut WireSession) -> Result<(), CopyError> {
    let sql = format!(
        "create schema if not exists {SCHEMA};
        create table if not exists {SCHEMA}.copied (
            what text not null,
            since bigint not null,
            until bigint,
            mark text not null,
            digest text not null default '',
            at timestamptz not null default clock_timestamp(),
            primary key (what, since))"
    );
    let told = CopyError::wire(|| "make the journal of the copy in the target");
    session.query(&sql).await.map_err(told)?;
    Ok(())
}

/// Reads it; it is empty where there is none.
pub(super) async fn read(session: &mut WireSession) -> Result<Journal, CopyError> {
    let told = || CopyError::wire(|| "read the journal of the copy in the target");
    let there = format!("select to_regclass('{SCHEMA}.copied') is not null");
    let there = session.row(&there).await.map_err(told())?;
    if there.flag(0) != Some(true) {
        return Ok(Journal::default());
    }
    let sql = format!("select what, since, until, mark, digest from {SCHEMA}.copied");
    let mut journal = Journal::default();
    for row in session.rows(&sql).await.map_err(told())? {
        let what = row.text(0).unwrap_or_default();
        let since: u64 = row.parse(1).unwrap_or_default();
        let mark = row.text(3).unwrap_or_default().to_owned();
        match what {
            SCRIPT => journal.script = Some(mark),
            STATEMENT => {
                let place = usize::try_from(since).unwrap_or(usize::MAX);
                journal.statements.insert(place);
            }
            table => {
                let part = Part {
                    from: since,
                    to: row.parse(2),
                };
                let digest = row.text(4).and_then(|text| text.parse().ok());
                let copied = Copied {
                    part,
                    mark,
                    digest: digest.ok_or_else(|| CopyError::Understand {
                        what: format!("what was copied of {table}"),
                    })?,
                };
                journal
                    .parts
                    .entry(table.to_owned())
                    .or_default()
                    .push(copied);
            }
        }
    }
    Ok(journal)
}

/// What notes the script that is run.
pub(super) fn note_script(hash: &str) -> String {
    insert(SCRIPT, Part::WHOLE, hash, "")
}

/// What notes that statements were run.
pub(super) fn note_statements(places: &[usize]) -> String {
    let values = places
        .iter()
        .map(|place| format!("('{STATEMENT}', {place}, '')"));
    format!(
        "insert into {SCHEMA}.copied (what, since, mark) values {} on conflict do nothing",
        values.collect::<Vec<_>>().join(", ")
    )
}

/// What notes that a part was copied.
pub(super) fn note_part(table: &str, part: Part, mark: &str, digest: &Digest) -> String {
    insert(table, part, mark, &digest.to_string())
}

/// What forgets all parts of a table.
pub(super) fn forget(table: &str) -> String {
    format!(
        "delete from {SCHEMA}.copied where what = {}",
        literal(table)
    )
}

fn insert(what: &str, part: Part, mark: &str, digest: &str) -> String {
    let until = part.to.map_or("null".to_owned(), |to| to.to_string());
    format!(
        "insert into {SCHEMA}.copied (what, since, until, mark, digest) values ({}, {}, {until}, {}, '{digest}')",
        literal(what),
        part.from,
        literal(mark)
    )
}
