//! Statements that make objects, run so that each is done and noted or neither.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::CopyError;
use super::journal;
use super::open::{STATEMENT, WORK};
use crate::catalogue::{Script, Section, Statement, Work};
use crate::sql::literal;
use crate::wire_session::{WireError, WireSession};

/// How many statements are run by one transaction: each takes locks, of which a server has only so many.
const AT_ONCE: usize = 100;

/// How often a statement is tried that met another's lock the wrong way round.
const TRIES: usize = 10;

/// What a session needs to run statements.
pub(super) struct Runner<'a> {
    pub(super) script: &'a Script,
    /// `search_path` of the source, for functions of the user's that need it.
    pub(super) search_path: &'a str,
}

/// A statement that the server does not let this login run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) place: usize,
    pub(super) reason: String,
}

impl Runner<'_> {
    /// Makes a session ready for statements.
    pub(super) async fn prepare(&self, session: &mut WireSession) -> Result<(), WireError> {
        session.query(&Script::SESSION.join("; ")).await?;
        Ok(())
    }

    /// Runs all statements of a section that were not run before, in order.
    pub(super) async fn section(
        &self,
        section: Section,
        done: &BTreeSet<usize>,
        target: &mut WireSession,
    ) -> Result<Vec<Refused>, CopyError> {
        let statements = self.script.statements.iter().enumerate();
        let left =
            statements.filter(|(place, one)| one.section == section && !done.contains(place));
        let (mut refused, mut batch) = (Vec::new(), Vec::new());
        for (place, statement) in left {
            let is_alone = statement.work != Work::Definition;
            if is_alone || batch.len() == AT_ONCE {
                refused.extend(self.flush(target, &mut batch).await?);
            }
            batch.push(place);
            if is_alone {
                refused.extend(self.flush(target, &mut batch).await?);
            }
        }
        refused.extend(self.flush(target, &mut batch).await?);
        Ok(refused)
    }

    async fn flush(
        &self,
        target: &mut WireSession,
        batch: &mut Vec<usize>,
    ) -> Result<Vec<Refused>, CopyError> {
        let places = std::mem::take(batch);
        match places.is_empty() {
            true => Ok(Vec::new()),
            false => self.run(target, &places).await,
        }
    }

    /// Runs statements in one transaction that notes them too; when one is refused, each on its own, to know which, and
    /// to leave out those that this login has no right to.
    pub(super) async fn run(
        &self,
        session: &mut WireSession,
        places: &[usize],
    ) -> Result<Vec<Refused>, CopyError> {
        let together = self.attempt(session, places, None).await;
        match together {
            Ok(()) => return Ok(Vec::new()),
            Err(WireError::Server(_)) if places.len() > 1 => {}
            Err(error) => return self.judge(session, places, error).await,
        }
        let mut refused = Vec::new();
        for place in places {
            if let Err(error) = self.attempt(session, &[*place], None).await {
                refused.extend(self.judge(session, &[*place], error).await?);
            }
        }
        Ok(refused)
    }

    /// What becomes of a single statement that was refused.
    async fn judge(
        &self,
        session: &mut WireSession,
        places: &[usize],
        error: WireError,
    ) -> Result<Vec<Refused>, CopyError> {
        let mut error = error;
        for _ in 0..TRIES {
            let again = match code(&error) {
                // A deadlock, or a change by another stream of the same row of a catalogue.
                "40P01" | "55P03" | "40001" | "XX000" => None,
                // A function of the user's looks for something without saying where.
                "42883" | "42P01" | "42704" | "42501" if self.has_code(places) => {
                    Some(self.search_path)
                }
                _ => break,
            };
            match self.attempt(session, places, again).await {
                Ok(()) => return Ok(Vec::new()),
                Err(other) => {
                    let is_same = code(&error) == code(&other) && again.is_some();
                    error = other;
                    if is_same {
                        break;
                    }
                }
            }
        }
        match (places, code(&error)) {
            (&[place], "42501") => Ok(vec![Refused {
                place,
                reason: error.to_string(),
            }]),
            _ => {
                let first = places.first().map(|place| &self.script.statements[*place]);
                Err(CopyError::Wire {
                    act: first.map_or_else(String::new, act),
                    source: error,
                })
            }
        }
    }

    /// Whether running them calls what the user wrote.
    fn has_code(&self, places: &[usize]) -> bool {
        let statements = places.iter().map(|place| &self.script.statements[*place]);
        statements
            .into_iter()
            .any(|statement| statement.work != Work::Definition)
    }

    async fn attempt(
        &self,
        session: &mut WireSession,
        places: &[usize],
        search_path: Option<&str>,
    ) -> Result<(), WireError> {
        let mut sql = String::from("begin;\n");
        if let Some(path) = search_path {
            let path = literal(path);
            sql += &format!("select pg_catalog.set_config('search_path', {path}, true);\n");
        }
        for place in places {
            sql += self.script.statements[*place].sql.text();
            sql += ";\n";
        }
        sql += &journal::note_statements(places);
        sql += ";\ncommit";
        let limit = limit(&self.script.statements, places);
        let outcome = session.query_within(limit, &sql).await;
        if let Err(WireError::Server(error)) = &outcome
            && !error.is_fatal()
        {
            session.query("rollback").await?;
        }
        outcome.map(|_| ())
    }
}

fn code(error: &WireError) -> &str {
    match error {
        WireError::Server(error) => error.sqlstate.as_ref().map_or("", |code| code.as_str()),
        _ => "",
    }
}

fn limit(statements: &[Statement], places: &[usize]) -> Duration {
    let is_long = places
        .iter()
        .any(|place| statements[*place].work != Work::Definition);
    if is_long { WORK } else { STATEMENT }
}

/// What a statement attempts, as a verb phrase.
pub(super) fn act(statement: &Statement) -> String {
    format!("make {} {} on the target", statement.kind, statement.name)
}
