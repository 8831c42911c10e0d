//! A move without following: clients wait while all is copied. For a source that cannot send its changes.
//!
//! Nothing is written at the source meanwhile, so there is nothing to follow, and no way back once clients have written at
//! the target.

use tokio::time::Instant;

use super::copy::{Copied, Copy, Options};
use super::crossing;
use super::error::MoveError;
use super::event::{Event, OfCopy};
use super::fence::{self, Standing};
use super::journal::{self, Phase};
use super::mover::{Move, same};
use super::verify::Verification;
use crate::session::Session;
use crate::traffic::TrafficControl;

impl Move {
    /// Copies all of it while clients wait, compares it, and takes them to the target. Until that is decided, a failure
    /// leaves clients at the source.
    ///
    /// What is left of the move is taken away by [`finish`](Self::finish). `None` when it was done before, and only
    /// clients had to go on.
    ///
    /// # Errors
    /// Those of [`plan`](Self::plan) and [`copy`](Self::copy), before which nothing is changed, and those of a cutover.
    pub async fn offline(
        &self,
        gateway: &dyn TrafficControl,
        options: Options,
    ) -> Result<Option<Copied>, MoveError> {
        let options = Options {
            keeps_other_moments: false,
            ..options
        };
        if self.entry().await?.is_none() {
            let plan = self.plan_offline(options.clone()).await?;
            options.accepted.demand(&plan.losses)?;
        }
        let (source, target) = (self.source.session().await?, self.target.session().await?);
        self.agree(&source, &target).await?;
        let (_keeper, phases, entry) = self.keep("move offline").await?;
        match entry.phase {
            Phase::Copying | Phase::CuttingOver => {}
            // It was decided, and killed before clients could go on.
            Phase::Finished => {
                crossing::complete(&self.database, &self.target, &target, gateway).await?;
                return Ok(None);
            }
            phase => {
                return Err(MoveError::NotNow {
                    verb: "move offline",
                    why: format!("the move is {phase}"),
                    hint: "pgmoor move status".into(),
                });
            }
        }
        crossing::demand_endpoint(&self.database, &self.target.endpoint, gateway).await?;
        let before = match fence::read(&source).await? {
            Standing::Open(before) => {
                journal::note_before(&source, &before).await?;
                before
            }
            // An attempt that was killed has put it up.
            Standing::Fenced(_) => {
                let here = journal::read(&source).await?;
                here.map(|entry| entry.before).unwrap_or_default()
            }
        };
        journal::note_phase(&phases, entry.phase, Phase::CuttingOver).await?;
        let began = Instant::now();
        match self.carry(gateway, &source, &phases, options).await {
            Ok(copied) => {
                crossing::complete(&self.database, &self.target, &target, gateway).await?;
                self.listener.event(Event::Resumed(began.elapsed()));
                Ok(Some(copied))
            }
            Err(error) => {
                let decided = journal::read(&phases).await?;
                if decided.is_some_and(|entry| entry.phase == Phase::Finished) {
                    crossing::complete(&self.database, &self.target, &target, gateway).await?;
                    return Err(error);
                }
                journal::note_phase(&phases, Phase::CuttingOver, Phase::Copying).await?;
                fence::lower(&source, &before).await?;
                gateway.resume(&self.database).await?;
                self.listener.event(Event::Resumed(began.elapsed()));
                Err(error)
            }
        }
    }

    /// Pause, fence, copy, comparison, decision.
    async fn carry(
        &self,
        gateway: &dyn TrafficControl,
        source: &Session,
        phases: &Session,
        options: Options,
    ) -> Result<Copied, MoveError> {
        let limit = self.limits.max_pause;
        self.listener.event(Event::Paused);
        gateway.pause(&self.database).await?;
        if !gateway.drain(&self.database, limit).await?.is_done() {
            return Err(MoveError::TooLong {
                step: "wait for open transactions",
                limit_ms: limit.as_millis(),
            });
        }
        let deadline = Instant::now() + limit;
        let spare: Vec<i32> = source.pid.into_iter().collect();
        fence::raise(source, &self.target.endpoint, &spare, deadline).await?;
        fence::prove(&self.source, deadline).await?;
        fence::end_others(source, &spare, deadline).await?;
        let progress = OfCopy(&*self.listener);
        let streams = options.streams;
        let copied = Copy {
            source: self.source.clone(),
            target: self.target.clone(),
            snapshot: None,
            mark: journal::new_id(),
            options,
        };
        let copied = copied.run(&progress).await?;
        let verification = Verification {
            source: self.source.clone(),
            target: self.target.clone(),
            source_snapshot: None,
            target_snapshot: None,
            streams,
            followed_only: false,
        };
        same(&verification.run_against(&copied.tables, &progress).await?)?;
        journal::note_phase(phases, Phase::CuttingOver, Phase::Finished).await?;
        Ok(copied)
    }
}
