//! Runs migrations before the gateway lets the first client of a database in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pgmoor_gateway::Traffic;
use pgmoor_ops::Session;
use pgmoor_ops::schema::{self, Event, File, Files, Report, SchemaError, Status, Stop, Stopper};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::{Job, line};
use crate::output::Failure;

/// Between two attempts where the next may succeed: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often it is looked whether somebody has seen to what failed.
const LOOK: Duration = Duration::from_secs(10);
/// How long what runs may take to end when it is told to.
const END_WITHIN: Duration = Duration::from_secs(15);

/// Migrations that run, or ran, beside the gateway.
#[derive(Debug, Default)]
pub(crate) struct Preparing(BTreeMap<String, Task>);

#[derive(Debug)]
struct Task {
    key: String,
    stopper: Stopper,
    /// Has what failed tried again at once.
    again: Arc<Notify>,
    handle: JoinHandle<()>,
}

impl Preparing {
    /// Runs what these jobs have to run; where that is under way already, it goes on. Other databases
    /// need nothing.
    pub(crate) async fn update(&mut self, jobs: Vec<Job>, traffic: &Traffic) {
        let before = std::mem::take(&mut self.0);
        let mut kept = BTreeMap::new();
        for (name, task) in before {
            let job = jobs.iter().find(|job| job.database == name);
            if job.is_some_and(|job| job.key == task.key) && !task.handle.is_finished() {
                task.again.notify_one();
                kept.insert(name, task);
                continue;
            }
            task.end().await;
            if job.is_none() {
                // Nobody asks for it any more. An error says that the database is gone, too.
                let _ = traffic.prepared(&name);
            }
        }
        self.0 = kept;
        for job in jobs {
            if self.0.contains_key(&job.database) {
                continue;
            }
            let (stopper, stop) = Stop::new();
            let (name, key) = (job.database.clone(), job.key.clone());
            let again = Arc::<Notify>::default();
            let wait = Wait {
                stop,
                again: again.clone(),
            };
            let task = Task {
                key,
                stopper,
                again,
                handle: tokio::spawn(prepare(job, traffic.clone(), wait)),
            };
            self.0.insert(name, task);
        }
    }

    /// Ends what runs.
    pub(crate) async fn stop(&mut self) {
        for (_, task) in std::mem::take(&mut self.0) {
            task.end().await;
        }
    }

    /// Runs them now, one database after the other.
    ///
    /// # Errors
    /// Of the first that failed.
    pub(crate) async fn run_now(jobs: &[Job]) -> Result<(), Failure> {
        for job in jobs {
            let (_stopper, stop) = Stop::new();
            let tell = |event| note(&job.database, &event);
            let report = attempt(job, stop, &tell, &mut None).await;
            told(job, &report.map_err(|error| job.failure(&error))?);
        }
        Ok(())
    }
}

impl Task {
    async fn end(self) {
        self.stopper.stop();
        if tokio::time::timeout(END_WITHIN, self.handle).await.is_err() {
            warn!("migrations did not end in time; the server ends them with their session");
        }
    }
}

/// What ends a pause.
struct Wait {
    stop: Stop,
    again: Arc<Notify>,
}

/// How a pause ended.
#[derive(PartialEq, Eq)]
enum Rested {
    Over,
    Again,
    Stop,
}

impl Wait {
    async fn rest(&mut self, pause: Duration) -> Rested {
        tokio::select! {
            () = self.stop.wished() => Rested::Stop,
            () = self.again.notified() => Rested::Again,
            () = sleep(pause) => Rested::Over,
        }
    }
}

/// What an attempt goes by: while it is the same, another one would fail the same way.
#[derive(Debug, PartialEq, Eq)]
struct Grounds {
    status: Status,
    checksums: Vec<String>,
}

/// Runs migrations until they are run or it is to stop.
async fn prepare(job: Job, traffic: Traffic, mut wait: Wait) {
    let name = &job.database;
    // Clients that were let in before are not sent away because a reload brought migrations.
    let holds = traffic.is_prepared(name).is_ok_and(|is| !is);
    let mut pause = AGAIN.0;
    loop {
        let tell = |event: Event| {
            note(name, &event);
            if let (true, Some(what)) = (holds, what(&event)) {
                let _ = traffic.preparing(name, &what);
            }
        };
        if holds {
            let _ = traffic.preparing(name, "its migrations are looked at");
        }
        let mut grounds = None;
        let error = match attempt(&job, wait.stop.clone(), &tell, &mut grounds).await {
            Ok(report) => {
                told(&job, &report);
                let _ = traffic.prepared(name);
                return;
            }
            Err(SchemaError::Stopped) => return,
            Err(error) => error,
        };
        let (why, hint) = (line(&error), error.hint());
        let shown = hint.clone().unwrap_or_default();
        if error.is_retryable() {
            warn!(database = %name, cause = %why, hint = %shown, "migrations were not run; trying again");
            if holds {
                let _ = traffic.preparing(name, &why);
            }
            if wait.rest(pause).await == Rested::Stop {
                return;
            }
            pause = (pause * 2).min(AGAIN.1);
            continue;
        }
        error!(database = %name, cause = %why, hint = %shown, "migrations were not run");
        if holds {
            let _ = traffic.not_prepared(name, &why, hint);
        }
        if !others(&job, grounds, &mut wait).await {
            return;
        }
    }
}

async fn attempt(
    job: &Job,
    stop: Stop,
    tell: schema::Tell<'_>,
    grounds: &mut Option<Grounds>,
) -> Result<Report, SchemaError> {
    let files = job.files()?;
    let session = job.session().await?;
    *grounds = look(job, &session, &files).await.ok();
    let outcome = schema::up(&session, &files, &job.rules, None, stop, tell).await;
    session.close().await;
    outcome
}

async fn look(job: &Job, session: &Session, files: &Files) -> Result<Grounds, SchemaError> {
    Ok(Grounds {
        status: schema::look(session, files, &job.rules).await?,
        checksums: files.iter().map(File::checksum).collect(),
    })
}

/// Waits until files or history are others than an attempt went by, or somebody wants another one;
/// `false` when it is to stop.
async fn others(job: &Job, then: Option<Grounds>, wait: &mut Wait) -> bool {
    loop {
        match wait.rest(LOOK).await {
            Rested::Stop => return false,
            Rested::Again => return true,
            Rested::Over => {}
        }
        let now = async {
            let files = job.files()?;
            let session = job.session().await?;
            let grounds = look(job, &session, &files).await;
            session.close().await;
            grounds
        };
        if let Ok(now) = now.await
            && then.as_ref() != Some(&now)
        {
            return true;
        }
    }
}

/// What clients that wait are told.
fn what(event: &Event) -> Option<String> {
    match event {
        Event::Waits { holder, .. } => {
            Some(format!("another process runs its migrations: {holder}"))
        }
        Event::Begins { migration, .. } => Some(format!("migration {migration} runs")),
        Event::Retries { migration, why, .. } => {
            Some(format!("migration {migration} waits for its locks: {why}"))
        }
        _ => None,
    }
}

fn told(job: &Job, report: &Report) {
    info!(
        database = %job.database,
        applied = report.ran.len(),
        current = report.current.as_deref(),
        "schema is up to date"
    );
}

/// An event as a line of the log.
fn note(database: &str, event: &Event) {
    match event {
        Event::Waits { holder, waited } => {
            info!(database, %holder, waited_s = waited.as_secs(), "waits for another process that runs migrations");
        }
        Event::Repaired { migration, what } => {
            warn!(database, %migration, %what, "what a process left that died in a migration is in order");
        }
        Event::Begins { migration, way } => {
            info!(database, %migration, way = way.word(), "migration begins");
        }
        Event::Retries {
            migration,
            pause,
            why,
        } => {
            warn!(database, %migration, pause_ms = pause.as_millis(), %why, "migration gives way and is tried again");
        }
        Event::Done {
            migration,
            way,
            took,
        } => {
            info!(database, %migration, way = way.word(), took_ms = took.as_millis(), "migration done");
        }
        _ => {}
    }
}
