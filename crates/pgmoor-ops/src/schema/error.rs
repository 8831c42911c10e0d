//! Why migrations were not run.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use pgmoor_wire::{SqlState, sqlstate};

use super::files::FilesError;
use super::status::{Trouble, Way};
use crate::error::{Error, is_passing};

/// What a server said, in one line.
#[derive(Debug)]
pub struct Said {
    text: String,
    sqlstate: Option<SqlState>,
    closed: bool,
}

impl Said {
    pub(super) fn new(error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let cause = error.source().map(|cause| format!(": {cause}"));
            return Self {
                text: format!("{error}{}", cause.unwrap_or_default()),
                sqlstate: None,
                closed: error.is_closed() || error.source().is_some(),
            };
        };
        let mut text = format!("{} ({})", db.message(), db.code().code());
        for more in [db.detail(), db.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
        Self {
            text,
            sqlstate: SqlState::parse(db.code().code().as_bytes()),
            closed: error.is_closed(),
        }
    }

    /// Its code, where the server said something at all.
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.sqlstate
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Said {}

/// Why migrations were not run, or not all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The directory.
    #[error("cannot use the migrations")]
    Files(#[from] FilesError),
    /// The session, or a statement of our own.
    #[error(transparent)]
    Session(Box<Error>),
    /// Directory and history do not fit together.
    #[error("the migrations do not fit the database: {}", list(.0))]
    Troubles(Vec<Trouble>),
    /// The server refused a migration.
    #[error("{} {migration} failed at line {line}", verb(*.way))]
    Migration {
        /// Which.
        migration: String,
        /// Which way it was going.
        way: Way,
        /// Where in its file, from 1.
        line: usize,
        /// Whether it ran in a transaction, so that nothing of it stays.
        transaction: bool,
        /// What the server said.
        #[source]
        source: Said,
    },
    /// A migration has a transaction of its own.
    #[error("{migration} has \"{word}\" at line {line}")]
    OwnTransaction {
        /// Which.
        migration: String,
        /// The word.
        word: String,
        /// Where in its file, from 1.
        line: usize,
    },
    /// Something else holds a lock that a migration needs.
    #[error("{migration} did not get its locks within {waited:?}, in {attempts} attempts")]
    Locked {
        /// Which.
        migration: String,
        /// How often it was tried.
        attempts: u32,
        /// For how long.
        waited: Duration,
        /// What the server said last.
        #[source]
        source: Said,
    },
    /// Another process runs migrations.
    #[error("another process has been running migrations for {waited:?}: {holder}")]
    Busy {
        /// Which.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// No schema on the search path exists.
    #[error("there is no schema to keep the history of migrations in")]
    NoSchema,
    /// The history is in another schema than this login would look in.
    #[error(
        "the history of migrations is in schema {found}, and this login looks in \"{expected}\""
    )]
    Elsewhere {
        /// Where it is.
        found: String,
        /// Where it was looked for.
        expected: String,
    },
    /// A row of the history makes no sense.
    #[error("cannot read the history of migrations: {what}")]
    History {
        /// What makes no sense.
        what: String,
    },
    /// The lock is held by another server process than the one that works.
    #[error("the server process changes between transactions")]
    Pooler,
    /// The server cannot be written to.
    #[error("the server is a standby, and {pending} migrations are to be run")]
    Standby {
        /// How many.
        pending: usize,
    },
    /// There is no file that undoes a migration.
    #[error("{migration} cannot be undone: there is no file for it")]
    NoDown {
        /// Which.
        migration: String,
    },
    /// There is no such migration.
    #[error("there is no migration of version {version}")]
    NoVersion {
        /// The version.
        version: i64,
    },
    /// The database changed since it was looked at.
    #[error("the database changed meanwhile: {what}")]
    Moved {
        /// What is otherwise.
        what: String,
    },
    /// It was to stop.
    #[error("stopped before the migrations were done")]
    Stopped,
    /// The library.
    #[error("cannot run the migrations")]
    Library(#[source] Box<refinery_core::Error>),
}

impl From<Error> for SchemaError {
    fn from(error: Error) -> Self {
        Self::Session(Box::new(error))
    }
}

fn verb(way: Way) -> &'static str {
    match way {
        Way::Up => "migration",
        Way::Down => "undoing migration",
    }
}

fn list(troubles: &[Trouble]) -> String {
    let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl SchemaError {
    /// Whether no session was opened.
    pub fn is_connecting(&self) -> bool {
        matches!(self, Self::Session(error) if matches!(**error, Error::Connect { .. }))
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Session(error) => error.is_retryable(),
            Self::Migration { source, .. } => {
                source.closed || source.sqlstate.is_some_and(is_passing)
            }
            Self::Locked { .. } | Self::Busy { .. } | Self::Moved { .. } | Self::Stopped => true,
            Self::Standby { .. } => true,
            Self::Files(_)
            | Self::Troubles(_)
            | Self::OwnTransaction { .. }
            | Self::NoSchema
            | Self::Elsewhere { .. }
            | Self::History { .. }
            | Self::Pooler
            | Self::NoDown { .. }
            | Self::NoVersion { .. }
            | Self::Library(_) => false,
        }
    }

    /// What the server called it, where it was the server.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Session(error) => error.sqlstate(),
            Self::Migration { source, .. } | Self::Locked { source, .. } => source.sqlstate,
            _ => None,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => error.hint(),
            Self::Session(error) if self.is_connecting() => return error.hint(),
            Self::Session(error) if error.sqlstate() == Some(sqlstate::INSUFFICIENT_PRIVILEGE) => {
                rights()
            }
            Self::Session(_) | Self::Library(_) => return None,
            Self::Troubles(troubles) => troubles.first()?.hint(),
            Self::Migration {
                source,
                transaction,
                ..
            } => advice(source, *transaction),
            Self::OwnTransaction { .. } => "each migration is one transaction already: remove that line; \
                 what cannot run in one begins with the line \"-- no-transaction\""
                .into(),
            Self::Locked { .. } => "see pg_stat_activity for long transactions on its tables; schema.lock_timeout \
                 says how long one attempt waits, schema.lock_retry_for how long it is tried"
                .into(),
            Self::Busy { .. } => "it ends with that process's session; schema.wait_timeout says how long to wait".into(),
            Self::NoSchema => "create the schema (pgmoor provision), or give the login a search_path that exists".into(),
            Self::Elsewhere { found, .. } => format!(
                "the login's search_path is another than before: give it that of before, or set \
                 schema.history to {found}.…"
            ),
            Self::History { .. } => "was it written by another tool? schema.history names the table".into(),
            Self::Pooler => "this address is a pooler in transaction mode: give the server's own by schema.endpoint".into(),
            Self::Standby { .. } => "give the primary's address, or target_session_attrs=read-write".into(),
            Self::NoDown { .. } => "write the file V….down.sql beside it, or go forward by another migration".into(),
            Self::NoVersion { .. } => "pgmoor schema status lists them".into(),
            Self::Moved { .. } => "look again: pgmoor schema status".into(),
            Self::Stopped => "start it again: what was done stays done".into(),
        })
    }
}

fn rights() -> String {
    "the login may not do this: have migrations run by the owner, by schema.endpoint or schema.role"
        .into()
}

fn advice(said: &Said, transaction: bool) -> String {
    let Some(code) = said.sqlstate else {
        return "the connection ended; start it again, what was not finished is repaired or named then".into();
    };
    match code.as_str() {
        "25001" => "begin the file with the line \"-- no-transaction\"".into(),
        "42501" => rights(),
        "42P06" | "42P07" | "42701" | "42710" => "it is there already: if other means made all of this migration, say so \
             with pgmoor schema resolve VERSION --as applied"
            .into(),
        "57014" => "statement_timeout ended it; schema.statement_timeout is that of migrations".into(),
        _ if transaction => {
            "nothing of it stays in the database: correct the file and run it again (pgmoor schema up)".into()
        }
        _ => "it ran without a transaction: pgmoor schema status says whether something of it stays".into(),
    }
}
