//! The history of migrations in the database, in refinery's own table, and beside it what was begun
//! without a transaction and has not ended.

use std::time::Duration;

use refinery_core::Migration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::error::SchemaError;
use super::status::{Applied, Open, Way};
use crate::error::Error;
use crate::session::Session;
use crate::sql::{literal, qualified};

/// How long the server may take over a question that is about a few rows.
pub(super) const ASK: Duration = Duration::from_secs(30);
/// What is behind the name of the history, for what has not ended.
const OPEN: &str = "_open";

/// Where the history is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// `"schema"."table"`.
    pub(super) table: String,
    /// The same of what has not ended.
    pub(super) open: String,
    /// Whether there is one.
    pub(super) exists: bool,
    /// Whether there is a table of what has not ended.
    pub(super) open_exists: bool,
    /// Whether the server is a standby.
    pub(super) standby: bool,
}

/// Runs `sql` and returns its rows. `act` is a verb phrase.
pub(super) async fn ask(
    session: &Session,
    act: &str,
    sql: &str,
) -> Result<Vec<SimpleQueryRow>, Error> {
    let asked = session.client().simple_query(sql);
    let messages = session.within(act, ASK, asked).await?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

pub(super) fn text(row: &SimpleQueryRow, column: usize) -> String {
    row.try_get(column)
        .ok()
        .flatten()
        .unwrap_or_default()
        .to_owned()
}

fn is_true(row: &SimpleQueryRow, column: usize) -> bool {
    text(row, column) == "t"
}

impl History {
    /// Finds the history: in the schema that `name` says, else in the first one of the search path that
    /// exists.
    ///
    /// # Errors
    /// There is no such schema, or the history is in another one.
    pub(super) async fn locate(session: &Session, name: &str) -> Result<Self, SchemaError> {
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, name),
        };
        let expected = schema.map_or_else(|| "current_schema()".to_owned(), literal);
        let sql = format!(
            "select {expected}, string_agg(n.nspname, ', ' order by n.nspname), pg_is_in_recovery() \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relname = {table} and c.relkind in ('r', 'p') and n.nspname !~ '^pg_temp'",
            table = literal(table)
        );
        let rows = ask(session, "find the history of migrations", &sql).await?;
        let row = rows.first().ok_or(SchemaError::NoSchema)?;
        let Some(expected) = row.try_get(0).ok().flatten() else {
            return Err(SchemaError::NoSchema);
        };
        let found = text(row, 1);
        let exists = found.split(", ").any(|found| found == expected);
        if schema.is_none() && !exists && !found.is_empty() {
            return Err(SchemaError::Elsewhere {
                found,
                expected: expected.to_owned(),
            });
        }
        let open = qualified(expected, &format!("{table}{OPEN}"));
        let sql = format!("select to_regclass({}) is not null", literal(&open));
        let rows = ask(session, "find migrations that did not end", &sql).await?;
        Ok(Self {
            table: qualified(expected, table),
            open_exists: rows.first().is_some_and(|row| is_true(row, 0)),
            open,
            exists,
            standby: is_true(row, 2),
        })
    }

    /// What it says.
    pub(super) async fn read(
        &self,
        session: &Session,
    ) -> Result<(Vec<Applied>, Vec<Open>), SchemaError> {
        let mut applied = Vec::new();
        if self.exists {
            let sql = format!(
                "select version, name, applied_on, checksum from {} order by version",
                self.table
            );
            for row in ask(session, "read the history of migrations", &sql).await? {
                applied.push(read_applied(&row)?);
            }
        }
        let mut open = Vec::new();
        if self.open_exists {
            let sql = format!(
                "select version, name, way, checksum, date_trunc('second', since)::text, by from {} order by version",
                self.open
            );
            for row in ask(session, "read migrations that did not end", &sql).await? {
                open.push(Open {
                    version: number(&row, 0)?,
                    name: text(&row, 1),
                    way: if text(&row, 2) == Way::Down.word() {
                        Way::Down
                    } else {
                        Way::Up
                    },
                    checksum: text(&row, 3),
                    since: text(&row, 4),
                    by: text(&row, 5),
                });
            }
        }
        Ok((applied, open))
    }

    /// What makes the table of what has not ended.
    pub(super) fn create_open(&self) -> String {
        format!(
            "create table if not exists {} (version bigint primary key, name text not null, way text not null, \
             checksum text not null, since timestamptz not null default now(), by text not null)",
            self.open
        )
    }

    /// What notes that a migration without a transaction begins.
    pub(super) fn begin(&self, open: &Open) -> String {
        format!(
            "insert into {} (version, name, way, checksum, by) values ({}, {}, {}, {}, {})",
            self.open,
            open.version,
            literal(&open.name),
            literal(open.way.word()),
            literal(&open.checksum),
            "format('%s, process %s of the server', session_user, pg_backend_pid())",
        )
    }

    /// What notes that it has ended.
    pub(super) fn end(&self, version: i64) -> String {
        format!("delete from {} where version = {version}", self.open)
    }

    /// What notes that it was applied.
    pub(super) fn insert(&self, migration: &Migration) -> String {
        format!(
            "insert into {} (version, name, applied_on, checksum) values ({}, {}, \
             to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), {})",
            self.table,
            migration.version(),
            literal(migration.name()),
            literal(&migration.checksum().to_string()),
        )
    }

    /// What notes that it is not applied; it returns the version where it was.
    pub(super) fn delete(&self, version: i64) -> String {
        format!(
            "delete from {} where version = {version} returning version",
            self.table
        )
    }
}

fn number(row: &SimpleQueryRow, column: usize) -> Result<i64, SchemaError> {
    let value = text(row, column);
    value.parse().map_err(|_| SchemaError::History {
        what: format!("\"{value}\" is no version"),
    })
}

pub(super) fn read_applied(row: &SimpleQueryRow) -> Result<Applied, SchemaError> {
    let version = number(row, 0)?;
    let (name, on, checksum) = (text(row, 1), text(row, 2), text(row, 3));
    let no = |what: &str| SchemaError::History {
        what: format!("version {version} has {what}"),
    };
    let checksum = checksum
        .parse()
        .map_err(|_| no(&format!("\"{checksum}\" as its checksum")))?;
    let moment = OffsetDateTime::parse(&on, &Rfc3339)
        .map_err(|_| no(&format!("\"{on}\" as the time it was applied on")))?;
    Ok(Applied {
        migration: Migration::applied(version, name, moment, checksum),
        on,
    })
}
