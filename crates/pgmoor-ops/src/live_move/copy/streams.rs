//! Several streams at once, each a session on both sides, that take work from one schedule until nothing is left.

use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use pgmoor::connector::CancelTarget;
use tokio::sync::Notify;

use super::digest::Digest;
use super::error::CopyError;
use super::events::{Event, Progress};
use super::large_objects;
use super::open::{self, WORK};
use super::part::Part;
use super::rows::{self, Wanted};
use super::schedule::{Next, Schedule, Task};
use super::statements::{Refused, Runner};
use super::table::Table;
use crate::wire_session::WireSession;

/// What a part is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// The table of this number.
    Table(usize),
    /// Large objects.
    Objects,
}

/// What all streams work at.
pub(super) struct Job<'a> {
    pub(super) tables: &'a [Table],
    pub(super) parts: &'a [(Of, Part)],
    /// The names by which the schedule counts tables, for statistics.
    pub(super) names: &'a [(&'a str, u64)],
    pub(super) runner: Runner<'a>,
    pub(super) mark: &'a str,
    pub(super) is_superuser: bool,
    pub(super) progress: &'a dyn Progress,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// By the number of the part.
    pub(super) digests: Vec<(usize, Digest)>,
    pub(super) refused: Vec<Refused>,
}

/// Both ends of a stream.
pub(super) struct Pair {
    pub(super) source: WireSession,
    pub(super) target: WireSession,
}

struct Shared<'a> {
    job: &'a Job<'a>,
    schedule: Mutex<Schedule>,
    outcome: Mutex<Outcome>,
    done: Notify,
}

/// Does all of it. When one stream fails, the others are asked to stop, and what they had begun is undone.
pub(super) async fn run(
    job: &Job<'_>,
    schedule: Schedule,
    mut pairs: Vec<Pair>,
) -> Result<Outcome, CopyError> {
    let shared = Shared {
        job,
        schedule: Mutex::new(schedule),
        outcome: Mutex::default(),
        done: Notify::new(),
    };
    let all: Vec<CancelTarget> = pairs
        .iter()
        .flat_map(|pair| [pair.source.cancel_target(), pair.target.cancel_target()])
        .collect();
    let streams = pairs.iter_mut().map(|pair| shared.stream(pair));
    if let Err(error) = try_join_all(streams).await {
        open::cancel(&all).await;
        return Err(error);
    }
    for pair in pairs {
        pair.source.close().await;
        pair.target.close().await;
    }
    let outcome = shared.outcome.into_inner();
    Ok(outcome.unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    async fn stream(&self, pair: &mut Pair) -> Result<(), CopyError> {
        let runner = &self.job.runner;
        let told = CopyError::wire(|| "prepare a session on the target");
        runner.prepare(&mut pair.target).await.map_err(told)?;
        loop {
            // Asked for before looking: what is done in between is heard of.
            let done = self.done.notified();
            let next = lock(&self.schedule).next();
            match next {
                Next::Do(task) => {
                    self.perform(&task, pair).await?;
                    lock(&self.schedule).done(&task);
                    self.done.notify_waiters();
                }
                Next::Wait => done.await,
                Next::Done => return Ok(()),
            }
        }
    }

    async fn perform(&self, task: &Task, pair: &mut Pair) -> Result<(), CopyError> {
        let Job {
            tables,
            parts,
            runner,
            progress,
            ..
        } = self.job;
        match task {
            Task::Part(number) => {
                let (of, part) = parts[*number];
                let digest = match of {
                    Of::Table(table) => self.rows(&tables[table], part, pair).await?,
                    Of::Objects => {
                        let Pair { source, target } = pair;
                        let mark = self.job.mark;
                        let is_superuser = self.job.is_superuser;
                        large_objects::copy(source, target, part, mark, is_superuser).await?
                    }
                };
                lock(&self.outcome).digests.push((*number, digest));
            }
            Task::Statement(place) => {
                self.statements(&mut pair.target, &[*place]).await?;
                let statement = &runner.script.statements[*place];
                progress.event(Event::Made {
                    kind: statement.kind,
                    name: &statement.name,
                });
            }
            Task::Statements(places) => self.statements(&mut pair.target, places).await?,
            Task::Analyze(table) => {
                let (name, _) = self.job.names[*table];
                let told = CopyError::wire(|| format!("collect the statistics of {name}"));
                let analyze = format!("analyze {name}");
                let analyze = pair.target.query_within(WORK, &analyze);
                analyze.await.map_err(told)?;
            }
        }
        Ok(())
    }

    async fn rows(&self, table: &Table, part: Part, pair: &mut Pair) -> Result<Digest, CopyError> {
        let wanted = Wanted {
            table,
            part,
            mark: self.job.mark,
            search_path: self.job.runner.search_path,
        };
        rows::copy(
            &mut pair.source,
            &mut pair.target,
            wanted,
            self.job.progress,
        )
        .await
    }

    async fn statements(
        &self,
        target: &mut WireSession,
        places: &[usize],
    ) -> Result<(), CopyError> {
        let refused = self.job.runner.run(target, places).await?;
        lock(&self.outcome).refused.extend(refused);
        Ok(())
    }
}
