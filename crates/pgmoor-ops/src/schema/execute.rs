//! Runs one migration: in a transaction together with its note in the history, or without one between
//! two notes.
//!
//! Which ones run is decided by the library, which drives an [`Executor`].

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use pgmoor_wire::sqlstate;
use refinery_core::Migration;
use tokio::time::timeout;

use super::error::{Said, SchemaError};
use super::event::{Event, Tell};
use super::files::{File, Files, Script};
use super::history::{History, ask, text};
use super::hold::Hold;
use super::sql::{self, Kind, Statement};
use super::status::{Open, Way};
use super::stop::Stop;
use super::{Rules, index};
use crate::session::Session;
use crate::sql::identifier;

/// How long a server may take to end what was cancelled.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Between two attempts of a migration that did not get its locks: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The parameter by which a migration's transaction is known to be the same at its end.
const MARK: &str = "pgmoor.migration";

/// What runs migrations on one session.
pub(super) struct Executor<'a> {
    pub(super) session: &'a Session,
    pub(super) files: &'a Files,
    pub(super) rules: &'a Rules,
    pub(super) history: History,
    pub(super) hold: Hold,
    pub(super) stop: Stop,
    pub(super) tell: Tell<'a>,
    /// Migrations of which a part was done by a process that died.
    pub(super) resumed: Vec<i64>,
    /// The versions that are to be applied, in their order.
    pub(super) queue: VecDeque<i64>,
    /// What was done, with the time it took.
    pub(super) done: Vec<(String, Duration)>,
    /// Why it did not go on; the library hears only that.
    pub(super) failed: Option<SchemaError>,
}

/// What is run, and where it is from.
struct Run<'a> {
    file: &'a File,
    script: &'a Script,
    way: Way,
    /// What notes it in the history.
    note: String,
}

impl Executor<'_> {
    /// Sets what every migration begins with. What one sets for its session does not reach the next.
    pub(super) async fn settle(&self) -> Result<(), SchemaError> {
        let rules = self.rules;
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        let mut sql = format!(
            "reset all; set application_name = 'pgmoor schema'; set statement_timeout = {}; \
             set lock_timeout = {}; set idle_in_transaction_session_timeout = 0;",
            milliseconds(rules.statement_timeout.unwrap_or_default()),
            milliseconds(rules.lock_timeout),
        );
        let version = self.session.server_version;
        if version >= 140_000 {
            sql.push_str("set idle_session_timeout = 0;");
        }
        if version >= 170_000 {
            sql.push_str("set transaction_timeout = 0;");
        }
        match &rules.role {
            Some(role) => sql.push_str(&format!("set role {};", identifier(role))),
            None => sql.push_str("reset role;"),
        }
        ask(self.session, "prepare the session for migrations", &sql).await?;
        if version >= 140_000 {
            // A server that notices when we have died stops, too. Some systems cannot.
            let sql = "set client_connection_check_interval = '5s'";
            let _ = ask(self.session, "have the server look after us", sql).await;
        }
        Ok(())
    }

    /// Waits for a statement, as long as it takes; the server is asked to cancel it when that is wished.
    async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<Result<T, tokio_postgres::Error>, SchemaError> {
        let mut stop = self.stop.clone();
        tokio::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => Ok(outcome),
            () = stop.wished() => {
                let deadline = tokio::time::Instant::now() + END_WITHIN;
                let _ = self.session.cancel_target().cancel(deadline).await;
                let _ = timeout(END_WITHIN, work).await;
                Err(SchemaError::Stopped)
            }
        }
    }

    /// A statement of our own, which does not wait for anybody.
    async fn own(&self, act: &str, sql: &str) -> Result<(), SchemaError> {
        ask(self.session, act, sql).await?;
        Ok(())
    }

    pub(super) async fn create_tables(&mut self, create: &str) -> Result<(), SchemaError> {
        if !self.history.exists {
            self.own("create the history of migrations", create).await?;
            self.history.exists = true;
        }
        if !self.history.open_exists {
            let create = self.history.create_open();
            self.own("create the table of migrations that did not end", &create)
                .await?;
            self.history.open_exists = true;
        }
        Ok(())
    }

    /// Applies the next one of what is pending; the library goes through the same list.
    pub(super) async fn apply(&mut self, sql: &str, note: &str) -> Result<(), SchemaError> {
        let files = self.files;
        let next = self
            .queue
            .pop_front()
            .and_then(|version| files.get(version));
        let file = next
            .filter(|file| file.up.sql == sql)
            .ok_or_else(|| SchemaError::Moved {
                what: "the library runs another migration than was planned".into(),
            })?;
        self.perform(Run {
            file,
            script: &file.up,
            way: Way::Up,
            note: note.to_owned(),
        })
        .await
    }

    /// Undoes a migration.
    pub(super) async fn revert(&mut self, file: &File) -> Result<(), SchemaError> {
        let script = file.down.as_ref().ok_or_else(|| SchemaError::NoDown {
            migration: file.label(),
        })?;
        let note = self.history.delete(file.version());
        self.perform(Run {
            file,
            script,
            way: Way::Down,
            note,
        })
        .await
    }

    async fn perform(&mut self, run: Run<'_>) -> Result<(), SchemaError> {
        if self.stop.is_wished() {
            return Err(SchemaError::Stopped);
        }
        let (migration, way) = (run.file.label(), run.way);
        let begins = Event::Begins {
            migration: migration.clone(),
            way,
        };
        (self.tell)(begins);
        let took = if run.script.transaction {
            self.transaction(&run).await?
        } else {
            self.outside(&run).await?
        };
        self.settle().await?;
        self.done.push((migration.clone(), took));
        (self.tell)(Event::Done {
            migration,
            way,
            took,
        });
        Ok(())
    }

    /// One transaction with its note, tried again while it does not get its locks.
    async fn transaction(&mut self, run: &Run<'_>) -> Result<Duration, SchemaError> {
        for statement in sql::statements(&run.script.sql) {
            if let Some(word) = sql::transaction_word(&statement) {
                return Err(SchemaError::OwnTransaction {
                    migration: run.file.label(),
                    word: word.to_owned(),
                    line: statement.line,
                });
            }
        }
        let begun = Instant::now();
        let (mut pause, most) = PAUSE;
        for attempts in 1.. {
            let attempt = Instant::now();
            let Err(error) = self.attempt(run).await else {
                return Ok(attempt.elapsed());
            };
            let rolled_back = ask(self.session, "roll back", "rollback").await;
            let SchemaError::Migration { source, .. } = &error else {
                return Err(error);
            };
            let blocked = [sqlstate::LOCK_NOT_AVAILABLE, sqlstate::DEADLOCK_DETECTED];
            if !source
                .sqlstate()
                .is_some_and(|code| blocked.contains(&code))
            {
                return Err(error);
            }
            rolled_back?;
            let (waited, migration) = (begun.elapsed(), run.file.label());
            if waited + pause > self.rules.lock_retry_for {
                let SchemaError::Migration { source, .. } = error else {
                    return Err(error);
                };
                return Err(SchemaError::Locked {
                    migration,
                    attempts,
                    waited,
                    source,
                });
            }
            (self.tell)(Event::Retries {
                migration,
                pause,
                why: source.to_string(),
            });
            tokio::select! {
                () = self.stop.wished() => return Err(SchemaError::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(most);
        }
        unreachable!("attempts are not counted to their end")
    }

    async fn attempt(&mut self, run: &Run<'_>) -> Result<(), SchemaError> {
        let version = run.file.version();
        let begin = format!("begin; set local {MARK} = '{version}'");
        self.own("begin the transaction of a migration", &begin)
            .await?;
        self.holds_the_lock().await?;
        let work = self.session.client().batch_execute(&run.script.sql);
        if let Err(error) = self.run(work).await? {
            let line = error_line(&error, &run.script.sql);
            return Err(failure(run, line, &error));
        }
        // What ended the transaction and began another one took the parameter with it.
        let mark = format!("select current_setting('{MARK}', true)");
        let rows = ask(self.session, "look for the transaction", &mark).await?;
        if rows.first().map(|row| text(row, 0)) != Some(version.to_string()) {
            return Err(SchemaError::OwnTransaction {
                migration: run.file.label(),
                word: "END".into(),
                line: 1,
            });
        }
        self.note(run).await?;
        // What is deferred to here may take as long as anything.
        let work = self.session.client().batch_execute("commit");
        match self.run(work).await? {
            Ok(()) => Ok(()),
            Err(error) => Err(failure(
                run,
                sql::line_of(&run.script.sql, usize::MAX),
                &error,
            )),
        }
    }

    /// That this server process has the right to run migrations: behind a pooler in transaction mode, it
    /// may be another one that got it.
    async fn holds_the_lock(&self) -> Result<(), SchemaError> {
        let question = self.hold.question();
        let rows = ask(self.session, "see that the lock is held", &question).await?;
        match rows.first().is_some_and(|row| text(row, 0) == "t") {
            true => Ok(()),
            false => Err(SchemaError::Pooler),
        }
    }

    async fn note(&self, run: &Run<'_>) -> Result<(), SchemaError> {
        let rows = ask(self.session, "write the history of migrations", &run.note).await?;
        if run.way == Way::Down && rows.len() != 1 {
            return Err(SchemaError::Moved {
                what: format!("{} is not applied any more", run.file.label()),
            });
        }
        Ok(())
    }

    /// Statement by statement without a transaction; what dies in between is found by its note.
    async fn outside(&mut self, run: &Run<'_>) -> Result<Duration, SchemaError> {
        let begun = Instant::now();
        let version = run.file.version();
        self.holds_the_lock().await?;
        let open = Open {
            version,
            name: run.file.migration.name().to_owned(),
            way: run.way,
            checksum: checksum(run.script),
            since: String::new(),
            by: String::new(),
        };
        let note = self.history.begin(&open);
        self.own("note that a migration begins", &note).await?;
        let resumed = self.resumed.contains(&version);
        for (index, statement) in sql::statements(&run.script.sql).iter().enumerate() {
            if resumed && index::is_done(self.session, &sql::kind(statement.text)).await? {
                continue;
            }
            self.statement(run, statement, index == 0).await?;
        }
        let end = format!("begin; {}", self.history.end(version));
        self.own("note that a migration ended", &end).await?;
        self.note(run).await?;
        self.own("note that a migration ended", "commit").await?;
        Ok(begun.elapsed())
    }

    async fn statement(
        &mut self,
        run: &Run<'_>,
        statement: &Statement<'_>,
        is_first: bool,
    ) -> Result<(), SchemaError> {
        let kind = sql::kind(statement.text);
        if kind.waits_politely() {
            self.own("wait for locks without a limit", "set lock_timeout = 0")
                .await?;
        }
        let work = self.session.client().batch_execute(statement.text);
        let outcome = self.run(work).await;
        let error = match outcome {
            Ok(Ok(())) if kind.waits_politely() => {
                let limit = self.rules.lock_timeout.as_millis();
                let sql = format!("set lock_timeout = {limit}");
                return self.own("limit the wait for locks again", &sql).await;
            }
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        // An index that was not finished is of no use, and in the way of the next attempt.
        let is_clean = match &kind {
            Kind::BuildIndex { .. } => index::drop_unfinished(self.session, &kind).await.is_ok(),
            Kind::One | Kind::Setting => error.is_some(),
            Kind::DropIndex(_) | Kind::Several => false,
        };
        if is_clean && is_first {
            let end = self.history.end(run.file.version());
            self.own("note that nothing of a migration stays", &end)
                .await?;
        }
        match error {
            Some(error) => {
                let line = error_line(&error, statement.text) + statement.line - 1;
                Err(failure(run, line, &error))
            }
            None => Err(SchemaError::Stopped),
        }
    }

    /// Puts in order what a process left that died in a migration without a transaction, where it is known
    /// what that can be.
    ///
    /// # Errors
    /// The server's. What cannot be put in order stays open, and is found there.
    pub(super) async fn repair(&mut self, open: &[Open]) -> Result<(), SchemaError> {
        for open in open {
            let Some(file) = self.files.get(open.version) else {
                continue;
            };
            let script = match open.way {
                Way::Up => Some(&file.up),
                Way::Down => file.down.as_ref(),
            };
            let Some(script) = script.filter(|script| checksum(script) == open.checksum) else {
                continue;
            };
            let statements = sql::statements(&script.sql);
            let kinds: Vec<Kind> = statements.iter().map(|one| sql::kind(one.text)).collect();
            let is_known = |kind: &Kind| kind.waits_politely() || *kind == Kind::Setting;
            if !kinds.iter().all(is_known) {
                continue;
            }
            let mut dropped = Vec::new();
            for kind in &kinds {
                dropped.extend(index::drop_unfinished(self.session, kind).await?);
            }
            let end = self.history.end(open.version);
            self.own("note that a migration was repaired", &end).await?;
            self.resumed.push(open.version);
            (self.tell)(Event::Repaired {
                migration: file.label(),
                what: match dropped.is_empty() {
                    true => "it had left nothing unfinished".into(),
                    false => format!("dropped {}, which was not valid", dropped.join(", ")),
                },
            });
        }
        Ok(())
    }
}

/// What a script is known by while it runs.
fn checksum(script: &Script) -> String {
    let of = Migration::unapplied("V1__x", &script.sql);
    of.map_or_else(|_| String::new(), |of| of.checksum().to_string())
}

fn failure(run: &Run<'_>, line: usize, error: &tokio_postgres::Error) -> SchemaError {
    SchemaError::Migration {
        migration: run.file.label(),
        way: run.way,
        line,
        transaction: run.script.transaction,
        source: Said::new(error),
    }
}

/// The line of `sql` that the server's error is about, from 1.
fn error_line(error: &tokio_postgres::Error, sql: &str) -> usize {
    use tokio_postgres::error::ErrorPosition;
    let position = error.as_db_error().and_then(|error| error.position());
    let Some(ErrorPosition::Original(position)) = position else {
        return 1;
    };
    // In characters, from 1.
    let characters = usize::try_from(*position).unwrap_or(1).saturating_sub(1);
    let at = sql.char_indices().nth(characters);
    sql::line_of(sql, at.map_or(sql.len(), |(at, _)| at))
}
