//! Doing a move, step after step; whoever does the next one takes it over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::copy::{Copied, Copy, Options, Plan};
use super::crossing;
use super::definitions;
use super::error::MoveError;
use super::event::{Event, Listener, OfCopy};
use super::fence::{self, Standing};
use super::follow::Follower;
use super::journal::{self, Direction, Entry, Phase, Role};
use super::lock;
use super::names;
use super::outgoing;
use super::ready::{self, Part};
use super::side::Side;
use super::verify::{Verification, Verified};
use crate::session::Session;
use crate::traffic::TrafficControl;
use crate::wire_session::WireSession;

/// Waits between two tries after a connection was lost.
pub(super) const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long whoever reads a slot may take to end.
const FREE: Duration = Duration::from_secs(30);

/// What a move is allowed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long clients may wait at a cutover.
    pub max_pause: Duration,
    /// How much of its log the sending side may keep for the move, in bytes; then the move is given up.
    pub kept_log: u64,
    /// How many bytes of log the receiving side may be behind when a cutover begins.
    pub lag: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pause: Duration::from_secs(10),
            kept_log: 16 << 30,
            lag: 1 << 20,
        }
    }
}

/// A move of one database, as its configuration has it.
#[derive(Debug, Clone)]
pub struct Move {
    /// The database, as the gateway's clients call it.
    pub database: String,
    /// Where it is.
    pub source: Side,
    /// Where it goes.
    pub target: Side,
    /// What is allowed.
    pub limits: Limits,
    /// Who is told.
    pub listener: Arc<dyn Listener>,
}

impl Move {
    fn side(&self, role: Role) -> &Side {
        match role {
            Role::Source => &self.source,
            Role::Target => &self.target,
        }
    }

    pub(super) fn sender(&self, direction: Direction) -> &Side {
        self.side(match direction {
            Direction::Forward => Role::Source,
            Direction::Back => Role::Target,
        })
    }

    pub(super) fn receiver(&self, direction: Direction) -> &Side {
        self.sender(direction.other())
    }

    /// What the target's journal says; `None` when there is no move of this database under way.
    ///
    /// # Errors
    /// The target cannot be asked.
    pub async fn entry(&self) -> Result<Option<Entry>, MoveError> {
        let session = self.target.session().await?;
        let entry = journal::read(&session).await?;
        session.close().await;
        Ok(entry.filter(|entry| !entry.is_source))
    }

    /// Makes what a move needs at both sides, up to the slot: from here on nothing that is committed at the source is
    /// missed. What it returns has the snapshot of which rows are to be copied, for as long as its session lives.
    ///
    /// Said again, as a copy that was broken off is gone on with, it keeps the slot and gives a new snapshot: tables that are
    /// whole stay as of the moment of which they were copied, and their changes are done from there on.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] when either side is part of another move.
    pub async fn prepare(&self) -> Result<outgoing::Slot, MoveError> {
        let source = self.source.session().await?;
        let target = self.target.session().await?;
        let entry = self.agree(&source, &target).await?;
        let listener = &self.listener;
        listener.event(Event::Phase(Phase::Copying));
        let name = names::outgoing(&self.source.dbname);
        let is_begun = journal::has_progress(&target, Direction::Forward).await?;
        if is_begun && outgoing::kept(&source, &name).await?.is_none() {
            return Err(MoveError::NotNow {
                verb: "go on with the copy",
                why: format!("the slot \"{name}\" is gone, and changes since with it"),
                hint: "pgmoor move abort, empty the target, and begin again".into(),
            });
        }
        if !is_begun {
            listener.event(Event::Step("make the publication"));
            outgoing::unguard(&source).await?;
            outgoing::publish(&source).await?;
            if !outgoing::guard(&source).await? {
                listener.event(Event::Note(
                    "definitions that change are not noticed at once: the role may make no event trigger; \
                     they are compared before the cutover"
                        .into(),
                ));
            }
        }
        listener.event(Event::Step("make the slot"));
        let slot = match is_begun {
            true => {
                let name = names::snapshot(&self.source.dbname, std::process::id());
                outgoing::make_slot(&self.source, &name, true, outgoing::PATIENT).await?
            }
            false => {
                outgoing::drop_slot(&source, &name).await?;
                let slot =
                    outgoing::make_slot(&self.source, &name, false, outgoing::PATIENT).await?;
                journal::set_progress(&target, Direction::Forward, slot.from).await?;
                slot
            }
        };
        source.close().await;
        target.close().await;
        tracing::info!(id = %entry.id, from = %slot.from, "move prepared");
        Ok(slot)
    }

    /// Both sides note that they are part of this move; or did before.
    pub(super) async fn agree(
        &self,
        source: &Session,
        target: &Session,
    ) -> Result<Entry, MoveError> {
        let found = (journal::read(source).await?, journal::read(target).await?);
        let other = |why: String| MoveError::NotNow {
            verb: "begin the move",
            why,
            hint: "pgmoor move status tells of it; pgmoor move abort gives it up".into(),
        };
        let (here, there) = match found {
            (Some(here), Some(there)) if here.id == there.id => return self.goes_on(there),
            (here, there) => (here, there),
        };
        if let Some(here) = here.filter(|here| !here.is_source || there.is_some()) {
            return Err(other(format!(
                "the source is part of another move, of {}",
                here.database
            )));
        }
        if let Standing::Fenced(text) = fence::read(source).await? {
            return Err(other(text));
        }
        let keyless = outgoing::tables(source).await?.into_iter();
        let keyless = keyless.filter(|table| !table.has_identity);
        let mut entry = Entry {
            id: journal::new_id(),
            is_source: false,
            database: self.database.clone(),
            source: self.source.endpoint.clone(),
            target: self.target.endpoint.clone(),
            phase: Phase::Copying,
            before: fence::Before::default(),
            identities: keyless.map(|table| (table.name, table.identity)).collect(),
        };
        match there {
            Some(there) if there.is_source => {
                return Err(other(format!(
                    "the target is the source of a move of {}",
                    there.database
                )));
            }
            // It was begun and the source was not reached any more.
            Some(there) => entry.id = self.goes_on(there)?.id,
            None => {
                journal::make(target).await?;
                journal::begin(target, Role::Target, &entry).await?;
            }
        }
        journal::make(source).await?;
        journal::begin(source, Role::Source, &entry).await?;
        Ok(entry)
    }

    fn goes_on(&self, entry: Entry) -> Result<Entry, MoveError> {
        match entry.source == self.source.endpoint && entry.target == self.target.endpoint {
            true => Ok(entry),
            false => Err(MoveError::NotNow {
                verb: "begin the move",
                why: format!(
                    "there is a move of {} from {} to {}",
                    entry.database, entry.source, entry.target
                ),
                hint: "finish or abort that one first".into(),
            }),
        }
    }

    /// What a copy would do, and what of it would get lost; nothing is written.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] when the move is under way; [`MoveError::Copy`], also what a copy would be refused for.
    pub async fn plan(&self, options: Options) -> Result<Plan, MoveError> {
        self.planned(options, true).await
    }

    /// As [`plan`](Self::plan), of a move whose clients wait while it copies.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn plan_offline(&self, options: Options) -> Result<Plan, MoveError> {
        self.planned(options, false).await
    }

    async fn planned(&self, options: Options, follows: bool) -> Result<Plan, MoveError> {
        let source = self.source.session().await?;
        if let Standing::Fenced(text) = fence::read(&source).await? {
            return Err(MoveError::NotNow {
                verb: "plan a move",
                why: text,
                hint: "name that endpoint as the one that serves the database".into(),
            });
        }
        let target = self.target.session().await?;
        let mut all = ready::hindrances(&source, Part::Source, follows).await?;
        all.extend(ready::hindrances(&target, Part::Target, follows).await?);
        if !all.is_empty() {
            return Err(MoveError::Hindered { all });
        }
        target.close().await;
        source.close().await;
        let copy = Copy {
            source: self.source.clone(),
            target: self.target.clone(),
            snapshot: None,
            mark: String::new(),
            options,
        };
        Ok(copy.plan().await?)
    }

    /// Copies all that the source has, or goes on with that, and reads it again at the target to compare it. From then on
    /// the target follows.
    ///
    /// Nothing is changed at either side before it is known that it can be done, and that nothing gets lost that nobody
    /// has accepted.
    ///
    /// # Errors
    /// [`MoveError::Different`] when what was read is not what was copied; [`MoveError::Copy`], and those of
    /// [`plan`](Self::plan).
    pub async fn copy(&self, options: Options) -> Result<Copied, MoveError> {
        if self.entry().await?.is_none() {
            let plan = self.plan(options.clone()).await?;
            options.accepted.demand(&plan.losses)?;
        }
        let slot = self.prepare().await?;
        let (keeper, phases, _) = self.keep("copy the database").await?;
        let progress = OfCopy(&*self.listener);
        let (source, target) = (self.source.clone(), self.target.clone());
        let streams = options.streams;
        definitions::note(&self.source).await?;
        self.listener.event(Event::Step("make the objects"));
        let copy = Copy {
            source: source.clone(),
            target: target.clone(),
            snapshot: slot.snapshot.clone(),
            mark: slot.from.to_string(),
            options: Options {
                keeps_other_moments: true,
                ..options
            },
        };
        let copied = copy.run(&progress).await?;
        slot.session.close().await;
        self.listener
            .event(Event::Step("read the rows again at the target"));
        let verification = Verification {
            source,
            target,
            source_snapshot: None,
            target_snapshot: None,
            streams,
            followed_only: false,
        };
        let verified = verification.run_against(&copied.tables, &progress).await?;
        same(&verified)?;
        phases.close().await;
        keeper.close().await;
        self.copied().await?;
        Ok(copied)
    }

    /// The initial copy is done: from here on the target follows.
    ///
    /// # Errors
    /// [`MoveError::Server`].
    pub async fn copied(&self) -> Result<(), MoveError> {
        let session = self.target.session().await?;
        journal::note_phase(&session, Phase::Copying, Phase::Following).await?;
        session.close().await;
        self.listener.event(Event::Phase(Phase::Following));
        Ok(())
    }

    /// A crossing that was interrupted before it was decided is undone.
    pub(super) async fn undo(
        &self,
        entry: &Entry,
        phases: &Session,
        gateway: Option<&dyn TrafficControl>,
    ) -> Result<Phase, MoveError> {
        let direction = match entry.phase {
            Phase::CuttingOver => Some(Direction::Forward),
            Phase::RollingBack => Some(Direction::Back),
            _ => None,
        };
        let phase = match direction {
            Some(direction) => {
                self.listener
                    .event(Event::Step("undo a cutover that was interrupted"));
                let phase = match journal::has_progress(phases, Direction::Forward).await? {
                    true => direction.other().crossed(),
                    // It was one without following, and its copy may not be whole.
                    false => Phase::Copying,
                };
                journal::note_phase(phases, entry.phase, phase).await?;
                phase
            }
            None => entry.phase,
        };
        // Where clients belong nobody may be kept out, whoever was killed before it could see to that.
        let live = match phase.is_at_target() {
            true => &self.target,
            false => &self.source,
        };
        let session = live.session().await?;
        let fence = fence::read(&session).await?;
        if direction.is_some() || matches!(fence, Standing::Fenced(_)) {
            crossing::open(&session).await?;
            if let Some(gateway) = gateway {
                crossing::complete(&self.database, live, &session, gateway).await?;
            }
        }
        session.close().await;
        Ok(phase)
    }

    /// Takes the move over, to end it.
    pub(super) async fn keep(
        &self,
        verb: &'static str,
    ) -> Result<(WireSession, Session, Entry), MoveError> {
        let mut keeper = self.target.wire("keeper").await?;
        lock::take(&mut keeper, lock::MOVER).await?;
        let phases = self.target.session().await?;
        let entry = journal::read(&phases)
            .await?
            .filter(|entry| !entry.is_source);
        let entry = entry.ok_or_else(|| MoveError::NotNow {
            verb,
            why: format!(
                "no move of {} to {} was begun",
                self.database, self.target.endpoint
            ),
            hint: "pgmoor move status".into(),
        })?;
        Ok((keeper, phases, self.goes_on(entry)?))
    }

    pub(super) async fn follow(&self, direction: Direction) -> Result<Follower, MoveError> {
        let deadline = Instant::now() + FREE;
        loop {
            let outcome = self.try_to_follow(direction).await;
            let is_read = |error: &MoveError| {
                let code = error.sqlstate();
                code.is_some_and(|code| code.as_str() == "55006") && Instant::now() < deadline
            };
            match outcome {
                Err(error) if is_read(&error) => {
                    // Whoever reads it is who had the move, and has not noticed yet that it has not any more.
                    let sender = self.sender(direction).session().await?;
                    outgoing::end_reader(&sender, &names::outgoing(&sender.database)).await?;
                    sleep(AGAIN.0).await;
                }
                other => return other,
            }
        }
    }

    async fn try_to_follow(&self, direction: Direction) -> Result<Follower, MoveError> {
        let mut applying = self.receiver(direction).wire("changes").await?;
        lock::take(&mut applying, lock::APPLIER).await?;
        let replica = "set session_replication_role = replica";
        applying.query(replica).await.map_err(|error| match error.sqlstate() {
            Some(code) if code.as_str() == "42501" => MoveError::NotNow {
                verb: "follow the changes",
                why: format!(
                    "the role at {} may not switch triggers off for itself",
                    self.receiver(direction).endpoint
                ),
                hint: "GRANT SET ON PARAMETER session_replication_role TO the role (15 and newer), or move with --offline".into(),
            },
            _ => error.into(),
        })?;
        Follower::start(self.sender(direction), applying, direction).await
    }
}

/// Refuses rows that are not the same.
pub(super) fn same(verified: &Verified) -> Result<(), MoveError> {
    match verified.differences.first() {
        None => Ok(()),
        Some(first) => Err(MoveError::Different {
            count: verified.differences.len(),
            first: first.to_string(),
        }),
    }
}
