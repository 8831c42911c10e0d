//! Schema migrations: plain SQL files, run once, by one process at a time, in their order.
//!
//! ```text
//!   Files ──┐
//!           ├─ status() ─▶ Status ─▶ what is pending, what does not fit
//!   history ┘                │
//!                            ▼ (only whoever holds the lock)
//!   refinery's runner ─▶ Executor ─▶ transaction: migration + note in the history
//! ```
//!
//! Names, checksums, the history table and the order of a run are refinery's; what it does not have is
//! here: the lock, limits on locks, migrations without a transaction and their repair, and the way back.

mod stop;

pub mod files;
mod sql;
mod status;

mod error;
mod event;

mod history;
mod hold;
mod index;

mod execute;
mod library;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pgmoor::connector::Connector;
use refinery_core::{Runner, Target};

pub use error::{Said, SchemaError};
pub use event::{Event, Tell};
pub use files::{File, Files, FilesError};
pub use status::{Applied, Open, Row, Standing, Status, Trouble, Way, status};
pub use stop::{Stop, Stopper};

use crate::facts::pooler::{self, Mode};
use crate::session::Session;
use execute::Executor;
use history::{History, ask};
use hold::{Hold, Patience};

/// How long a look at what is between us and the server may take.
const LOOK: Duration = Duration::from_secs(20);

/// How migrations are run.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The table of the history, alone or with its schema.
    pub history: String,
    /// The role that they are run as; the login's own without one.
    pub role: Option<String>,
    /// How long one attempt may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a migration that does not get its locks is tried again.
    pub lock_retry_for: Duration,
    /// How long one statement may run.
    pub statement_timeout: Option<Duration>,
    /// How long it is waited for another process that runs migrations.
    pub wait_timeout: Duration,
    /// Whether numbers may be left out.
    pub allow_gaps: bool,
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The migrations that were run, and how long each took.
    pub ran: Vec<(String, Duration)>,
    /// How long it was waited for other processes.
    pub waited: Duration,
    /// The last one that is applied now.
    pub current: Option<String>,
}

/// What somebody says of a migration that did not end, or that other means applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// What it does is done.
    Applied,
    /// Nothing of it is there.
    Pending,
}

/// That a session's server process stays the same, as a lock of the session needs it. Where a pooler is in
/// between, a second session finds out when that gives processes away.
///
/// # Errors
/// [`SchemaError::Pooler`], where it does so while the session lives.
pub async fn refuse_pooler(
    connector: &Connector,
    database: Option<&str>,
    session: &Session,
) -> Result<(), SchemaError> {
    let found = pooler::read(connector, database, session, LOOK).await?;
    match found.mode {
        Mode::Transaction | Mode::Statement => Err(SchemaError::Pooler),
        // What cannot be told is found out by each transaction, which looks for the lock.
        Mode::Session | Mode::Unknown => Ok(()),
    }
}

/// How the migrations of a directory stand in the session's database. It changes nothing.
///
/// # Errors
/// [`SchemaError`].
pub async fn look(session: &Session, files: &Files, rules: &Rules) -> Result<Status, SchemaError> {
    let history = History::locate(session, &rules.history).await?;
    let (applied, open) = history.read(session).await?;
    Ok(status(files, &applied, &open, rules.allow_gaps))
}

/// Applies what is pending, up to a version. Of all processes that try, one does it; the others wait,
/// and find it done.
///
/// # Errors
/// [`SchemaError`]. What was applied before the error stays applied.
pub async fn up(
    session: &Session,
    files: &Files,
    rules: &Rules,
    to: Option<i64>,
    stop: Stop,
    tell: Tell<'_>,
) -> Result<Report, SchemaError> {
    if let Some(version) = to.filter(|version| files.get(*version).is_none()) {
        return Err(SchemaError::NoVersion { version });
    }
    let (mut executor, before, open) = prepare(session, files, rules, stop, tell).await?;
    let pending = before.pending(to).count();
    if open.is_empty() {
        refuse(&before)?;
        if pending == 0 {
            return Ok(Report {
                current: before.current().map(|row| row.label.clone()),
                ..Report::default()
            });
        }
    }
    let begun = Instant::now();
    let is_done = |status: &Status| status.pending(to).next().is_none();
    let Some(waited) = executor.take(pending, is_done).await? else {
        return executor.finish(Ok(()), begun.elapsed()).await;
    };
    let outcome = executor.up(to).await;
    executor.finish(outcome, waited).await
}

/// Undoes these migrations, the last first; they have to be the last ones that are applied.
///
/// # Errors
/// [`SchemaError`]. What was undone before the error stays undone.
pub async fn down(
    session: &Session,
    files: &Files,
    rules: &Rules,
    versions: &[i64],
    stop: Stop,
    tell: Tell<'_>,
) -> Result<Report, SchemaError> {
    let (mut executor, _, _) = prepare(session, files, rules, stop, tell).await?;
    let waited = executor.take(versions.len(), |_| false).await?;
    let waited = waited.unwrap_or_default();
    let outcome = executor.down(versions).await;
    executor.finish(outcome, waited).await
}

/// The migrations that are undone to come back to `to`, the last first.
///
/// # Errors
/// One of them has no file for that, or the directory does not fit the history.
pub fn plan_down<'a>(
    files: &'a Files,
    status: &Status,
    to: i64,
) -> Result<Vec<&'a File>, SchemaError> {
    refuse(status)?;
    let applied = status.rows.iter().rev();
    let behind = applied.filter(|row| row.version > to && row.standing.on().is_some());
    let planned = behind.map(|row| {
        let file = files.get(row.version).filter(|file| file.down.is_some());
        file.ok_or_else(|| SchemaError::NoDown {
            migration: row.label.clone(),
        })
    });
    planned.collect()
}

/// Notes that a migration is applied, or is not, because somebody has seen to it.
///
/// # Errors
/// [`SchemaError`].
pub async fn resolve(
    session: &Session,
    files: &Files,
    rules: &Rules,
    version: i64,
    resolution: Resolution,
    stop: Stop,
    tell: Tell<'_>,
) -> Result<(), SchemaError> {
    let (mut executor, before, _) = prepare(session, files, rules, stop, tell).await?;
    if !before.rows.iter().any(|row| row.version == version) {
        return Err(SchemaError::NoVersion { version });
    }
    executor.take(1, |_| false).await?;
    let outcome = executor.resolve(version, resolution).await;
    executor.hold.release(session).await;
    outcome
}

fn refuse(status: &Status) -> Result<(), SchemaError> {
    match status.troubles.is_empty() {
        true => Ok(()),
        false => Err(SchemaError::Troubles(status.troubles.clone())),
    }
}

async fn prepare<'a>(
    session: &'a Session,
    files: &'a Files,
    rules: &'a Rules,
    stop: Stop,
    tell: Tell<'a>,
) -> Result<(Executor<'a>, Status, Vec<Open>), SchemaError> {
    let mut executor = Executor {
        session,
        files,
        rules,
        history: History {
            table: String::new(),
            open: String::new(),
            exists: false,
            open_exists: false,
            standby: false,
        },
        hold: Hold::of(""),
        stop,
        tell,
        resumed: Vec::new(),
        queue: VecDeque::new(),
        done: Vec::new(),
        failed: None,
    };
    // First, because the role decides about the search path.
    executor.settle().await?;
    let (status, open) = executor.look().await?;
    executor.hold = Hold::of(&executor.history.table);
    Ok((executor, status, open))
}

impl Executor<'_> {
    async fn look(&mut self) -> Result<(Status, Vec<Open>), SchemaError> {
        self.history = History::locate(self.session, &self.rules.history).await?;
        let (applied, open) = self.history.read(self.session).await?;
        let status = status(self.files, &applied, &open, self.rules.allow_gaps);
        Ok((status, open))
    }

    /// Takes the right to run migrations, `pending` of them; how long it was waited for. `None` when others
    /// have meanwhile done all that there was to do.
    async fn take(
        &mut self,
        pending: usize,
        is_done: impl Fn(&Status) -> bool,
    ) -> Result<Option<Duration>, SchemaError> {
        if self.history.standby {
            return Err(SchemaError::Standby { pending });
        }
        let mut patience = Patience::new(self.rules.wait_timeout);
        while !self.hold.take(self.session).await? {
            let (session, tell) = (self.session, self.tell);
            patience
                .wait(self.hold, session, &mut self.stop, tell)
                .await?;
            let (status, open) = self.look().await?;
            if open.is_empty() && status.troubles.is_empty() && is_done(&status) {
                return Ok(None);
            }
        }
        Ok(Some(patience.waited()))
    }

    async fn up(&mut self, to: Option<i64>) -> Result<(), SchemaError> {
        // What was seen before the lock may be done by now.
        let (_, open) = self.look().await?;
        self.repair(&open).await?;
        let (status, _) = self.look().await?;
        refuse(&status)?;
        self.queue = status.pending(to).map(|row| row.version).collect();
        if self.queue.is_empty() {
            return Ok(());
        }
        let migrations: Vec<_> = self
            .files
            .iter()
            .map(|file| file.migration.clone())
            .collect();
        // What differs was refused above; for the library, another end of a line is a difference.
        let mut runner = Runner::new(&migrations)
            .set_target(to.map_or(Target::Latest, Target::Version))
            .set_abort_divergent(false);
        runner.set_migration_table_name(&self.history.table);
        match runner.run_async(self).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match self.failed.take() {
                Some(failed) => failed,
                None => SchemaError::Library(Box::new(error)),
            }),
        }
    }

    async fn down(&mut self, versions: &[i64]) -> Result<(), SchemaError> {
        let (_, open) = self.look().await?;
        self.repair(&open).await?;
        let (status, _) = self.look().await?;
        refuse(&status)?;
        let applied = status.rows.iter().rev();
        let last: Vec<i64> = applied
            .filter(|row| row.standing.on().is_some())
            .map(|row| row.version)
            .take(versions.len())
            .collect();
        if last != versions {
            return Err(SchemaError::Moved {
                what: format!("the last migrations are {last:?}, {versions:?} were to be undone"),
            });
        }
        for version in versions {
            let files = self.files;
            let file = files
                .get(*version)
                .ok_or(SchemaError::NoVersion { version: *version })?;
            self.revert(file).await?;
        }
        Ok(())
    }

    async fn resolve(&mut self, version: i64, resolution: Resolution) -> Result<(), SchemaError> {
        self.look().await?;
        let mut sql = String::from("begin;");
        if self.history.open_exists {
            sql.push_str(&format!("{};", self.history.end(version)));
        }
        if self.history.exists {
            sql.push_str(&format!("{};", self.history.delete(version)));
        }
        if resolution == Resolution::Applied {
            let file = self.files.get(version);
            let file = file.ok_or(SchemaError::NoVersion { version })?;
            if !self.history.exists {
                use refinery_core::AsyncMigrate;
                let create = Self::assert_migrations_table_query(&self.history.table);
                ask(self.session, "create the history of migrations", &create).await?;
            }
            sql.push_str(&format!("{};", self.history.insert(&file.migration)));
        }
        sql.push_str("commit");
        ask(self.session, "write the history of migrations", &sql).await?;
        Ok(())
    }

    /// Gives the right back and says what was done.
    async fn finish(
        mut self,
        outcome: Result<(), SchemaError>,
        waited: Duration,
    ) -> Result<Report, SchemaError> {
        let current = match &outcome {
            Ok(()) => self.look().await?.0.current().map(|row| row.label.clone()),
            Err(_) => None,
        };
        self.hold.release(self.session).await;
        outcome.map(|()| Report {
            ran: self.done,
            waited,
            current,
        })
    }
}
