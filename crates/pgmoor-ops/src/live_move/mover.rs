//! Doing a move, step after step; whoever does the next one takes it over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::copy::{Copied, Copy, Options, Plan};
use super::crossing::{self, Crossed, Crossing};
use super::error::MoveError;
use super::event::{Event, Listener, OfCopy};
use super::fence::{self, Standing};
use super::follow::Follower;
use super::journal::{self, Direction, Entry, Phase, Role};
use super::names;
use super::outgoing;
use super::ready::{self, Part};
use super::side::Side;
use super::verify::{Verification, Verified};
use crate::session::Session;
use crate::traffic::TrafficControl;
use crate::wire_session::WireSession;

/// How often one tells how far it is, and looks at what the sending side keeps.
const TELL: Duration = Duration::from_millis(500);
/// Waits between two tries after a connection was lost.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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

/// The changes as they are followed, and the right to do the move.
#[derive(Debug)]
pub struct Hold {
    /// At the target; it has the move as long as it lives.
    keeper: WireSession,
    /// At the target, for the journal.
    phases: Session,
    follower: Follower,
    direction: Direction,
}

impl Move {
    fn side(&self, role: Role) -> &Side {
        match role {
            Role::Source => &self.source,
            Role::Target => &self.target,
        }
    }

    fn sender(&self, direction: Direction) -> &Side {
        self.side(match direction {
            Direction::Forward => Role::Source,
            Direction::Back => Role::Target,
        })
    }

    fn receiver(&self, direction: Direction) -> &Side {
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
        let is_begun = journal::has_progress(&target, Direction::Forward).await?
            && outgoing::kept(&source, &name).await?.is_some();
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
                outgoing::make_slot(&self.source, &name, true).await?
            }
            false => {
                outgoing::drop_slot(&source, &name).await?;
                let slot = outgoing::make_slot(&self.source, &name, false).await?;
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
    async fn agree(&self, source: &Session, target: &Session) -> Result<Entry, MoveError> {
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
        let source = self.source.session().await?;
        if let Standing::Fenced(text) = fence::read(&source).await? {
            return Err(MoveError::NotNow {
                verb: "plan a move",
                why: text,
                hint: "name that endpoint as the one that serves the database".into(),
            });
        }
        let target = self.target.session().await?;
        let mut all = ready::hindrances(&source, Part::Source).await?;
        all.extend(ready::hindrances(&target, Part::Target).await?);
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
        journal::note_phase(&session, Phase::Following).await?;
        session.close().await;
        self.listener.event(Event::Phase(Phase::Following));
        Ok(())
    }

    /// Takes the move over: what was interrupted is undone or brought to its end, and changes are followed from where
    /// they are.
    ///
    /// # Errors
    /// There is no move, or it is not so far.
    pub async fn take(&self, gateway: Option<&dyn TrafficControl>) -> Result<Hold, MoveError> {
        let (keeper, phases, entry) = self.keep("go on").await?;
        let phase = self.undo(&entry, &phases, gateway).await?;
        let direction = phase.direction().ok_or_else(|| MoveError::NotNow {
            verb: "go on",
            why: match phase {
                Phase::Finished => "the move is finished".to_owned(),
                _ => "the initial copy is not done".to_owned(),
            },
            hint: match phase {
                Phase::Finished => "pgmoor move finish removes what is left of it".to_owned(),
                _ => "pgmoor move start goes on with it".to_owned(),
            },
        })?;
        let follower = self.follow(direction).await?;
        Ok(Hold {
            keeper,
            phases,
            follower,
            direction,
        })
    }

    /// A crossing that was interrupted before it was decided is undone.
    async fn undo(
        &self,
        entry: &Entry,
        phases: &Session,
        gateway: Option<&dyn TrafficControl>,
    ) -> Result<Phase, MoveError> {
        let direction = match entry.phase {
            Phase::CuttingOver => Direction::Forward,
            Phase::RollingBack => Direction::Back,
            phase => return Ok(phase),
        };
        self.listener
            .event(Event::Step("undo a cutover that was interrupted"));
        let old = self.sender(direction).session().await?;
        if let Standing::Fenced(_) = fence::read(&old).await? {
            let before = journal::read(&old).await?.map(|entry| entry.before);
            fence::lower(&old, &before.unwrap_or_default()).await?;
        }
        old.close().await;
        if let Some(gateway) = gateway {
            gateway.resume(&self.database).await?;
        }
        let phase = direction.other().crossed();
        journal::note_phase(phases, phase).await?;
        Ok(phase)
    }

    /// Ends the rollback window: nothing flows back any more, and what the move made is taken away at both sides. The
    /// source stays behind its fence. Returns what could not be taken away, as sentences.
    ///
    /// It may be said again.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] before the cutover.
    pub async fn finish(&self) -> Result<Vec<String>, MoveError> {
        let (_keeper, phases, entry) = self.keep("finish the move").await?;
        if !matches!(entry.phase, Phase::Moved | Phase::Finished) {
            return Err(MoveError::NotNow {
                verb: "finish the move",
                why: format!("it is {}, and clients are at the source", entry.phase),
                hint: "pgmoor move cutover".into(),
            });
        }
        journal::note_phase(&phases, Phase::Finished).await?;
        self.listener.event(Event::Phase(Phase::Finished));
        let mut left = Vec::new();
        // The old side is of no use to anybody any more: that it cannot be reached keeps nothing from being finished.
        match self.source.session().await {
            Ok(source) => {
                let cleaned = self.clean(&source, &entry).await;
                if let Err(error) = cleaned {
                    left.push(format!("at the source: {}", crate::error::chain(&error)));
                }
            }
            Err(error) => left.push(format!("at the source: {}", crate::error::chain(&error))),
        }
        self.clean(&phases, &entry).await?;
        journal::remove(&phases).await?;
        Ok(left)
    }

    /// Gives the move up: the source is as it was before it, and open. What was copied to the target stays there.
    ///
    /// It may be said again, and also when the target cannot be reached.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] after the cutover.
    pub async fn abort(&self, gateway: Option<&dyn TrafficControl>) -> Result<(), MoveError> {
        let source = self.source.session().await?;
        let here = journal::read(&source)
            .await?
            .filter(|entry| entry.is_source);
        let there = self.keep("abort the move").await;
        match there {
            Ok((_keeper, phases, entry)) => {
                let phase = self.undo(&entry, &phases, gateway).await?;
                if phase.is_at_target() {
                    return Err(MoveError::NotNow {
                        verb: "abort the move",
                        why: "clients are at the target, and the source may lack what they wrote"
                            .into(),
                        hint: "pgmoor move rollback takes them back with all that they wrote"
                            .into(),
                    });
                }
                self.clean(&source, &entry).await?;
                journal::remove(&source).await?;
                self.clean(&phases, &entry).await?;
                journal::remove(&phases).await?;
                Ok(())
            }
            // It was not begun there, or is gone from there already.
            Err(error @ MoveError::NotNow { .. }) => {
                let Some(here) = here else { return Err(error) };
                if let Standing::Fenced(text) = fence::read(&source).await? {
                    return Err(MoveError::NotNow {
                        verb: "abort the move",
                        why: text,
                        hint: "nothing is left to be aborted: the move was finished".into(),
                    });
                }
                self.clean(&source, &here).await?;
                journal::remove(&source).await
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the move over, to end it.
    async fn keep(&self, verb: &'static str) -> Result<(WireSession, Session, Entry), MoveError> {
        let mut keeper = self.target.wire("keeper").await?;
        journal::take(&mut keeper, journal::MOVER).await?;
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

    /// Takes away what makes a side send its changes.
    async fn clean(&self, session: &Session, entry: &Entry) -> Result<(), MoveError> {
        self.listener
            .event(Event::Step("take away what the move made"));
        outgoing::unguard(session).await?;
        outgoing::drop_slot(session, &names::outgoing(&session.database)).await?;
        outgoing::unpublish(session).await?;
        outgoing::restore_identities(session, &entry.identities).await
    }

    async fn follow(&self, direction: Direction) -> Result<Follower, MoveError> {
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
        journal::take(&mut applying, journal::APPLIER).await?;
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

fn same(verified: &Verified) -> Result<(), MoveError> {
    match verified.differences.first() {
        None => Ok(()),
        Some(first) => Err(MoveError::Different {
            count: verified.differences.len(),
            first: first.to_string(),
        }),
    }
}

impl Hold {
    /// Compares all rows of both sides as of one moment, while changes go on at one side and are followed at the other.
    ///
    /// # Errors
    /// [`MoveError::Different`], and what ends a [`follow`](Self::follow).
    pub async fn verify(&mut self, it: &Move, streams: usize) -> Result<Verified, MoveError> {
        let (from, to) = (it.sender(self.direction), it.receiver(self.direction));
        it.listener
            .event(Event::Step("compare all rows as of one moment"));
        let name = names::snapshot(&from.dbname, std::process::id());
        let slot = outgoing::make_slot(from, &name, true).await?;
        let here = from.session().await?;
        journal::beacon(&here).await?;
        here.close().await;
        self.follower.hold(Some(slot.from));
        let (_keep, go_on) = watch::channel(false);
        self.follow(it, go_on, |seen| seen.is_held).await?;
        // It has all that the snapshot of the slot has, and nothing that came later.
        let mut there = to.wire("snapshot").await?;
        there
            .query("begin transaction isolation level repeatable read, read only")
            .await?;
        let row = there.row("select pg_export_snapshot()").await?;
        self.follower.hold(None);
        let snapshots = [slot.snapshot.clone(), row.text(0).map(str::to_owned)];
        let [from_snapshot, to_snapshot] = snapshots;
        let verification = Verification {
            source: from.clone(),
            target: to.clone(),
            source_snapshot: from_snapshot,
            target_snapshot: to_snapshot,
            streams,
        };
        let (stopper, stop) = watch::channel(false);
        let progress = OfCopy(&*it.listener);
        let compare = async {
            let verified = verification.run(&progress).await;
            stopper.send_replace(true);
            verified
        };
        let (followed, verified) = tokio::join!(self.follow(it, stop, |_| false), compare);
        followed?;
        let verified = verified?;
        slot.session.close().await;
        there.close().await;
        same(&verified)?;
        Ok(verified)
    }

    /// Where changes flow to.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// How far they are.
    pub fn seen(&self) -> super::follow::Seen {
        self.follower.seen()
    }

    /// Follows until `until` says so, whatever is lost on the way; `true` when it said so, `false` when `stop` did.
    ///
    /// # Errors
    /// What does not pass by itself.
    pub async fn follow(
        &mut self,
        it: &Move,
        mut stop: watch::Receiver<bool>,
        until: impl Fn(&super::follow::Seen) -> bool,
    ) -> Result<bool, MoveError> {
        let mut told = Instant::now();
        loop {
            if *stop.borrow_and_update() {
                return Ok(false);
            }
            let seen = match self.follower.step(Instant::now() + TELL).await {
                Ok(seen) => seen,
                Err(error) if error.is_passing() => {
                    if !self.begin_again(it, error, &mut stop).await? {
                        return Ok(false);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            if told.elapsed() >= TELL {
                told = Instant::now();
                it.listener.event(Event::Seen(seen));
                self.look(it)?;
            }
            if until(&seen) {
                it.listener.event(Event::Seen(seen));
                return Ok(true);
            }
        }
    }

    /// Follows until all is done that was committed before, and little is left of what was committed since.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn catch_up(
        &mut self,
        it: &Move,
        stop: watch::Receiver<bool>,
    ) -> Result<bool, MoveError> {
        let sender = it.sender(self.direction).session().await?;
        let beacon = journal::beacon(&sender).await?;
        sender.close().await;
        let lag = it.limits.lag;
        let is_near = |seen: &super::follow::Seen| seen.beacon >= beacon && seen.lag() <= lag;
        self.follow(it, stop, is_near).await
    }

    /// Tries until changes are followed again; `false` when it was told to stop before.
    async fn begin_again(
        &mut self,
        it: &Move,
        mut error: MoveError,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, MoveError> {
        let mut wait = AGAIN.0;
        while error.is_passing() {
            it.listener.event(Event::Again {
                why: crate::error::chain(&error),
                after: wait,
            });
            match timeout(wait, stop.wait_for(|stop| *stop)).await {
                Ok(Ok(_)) => return Ok(false),
                // Who could say so has gone: then nobody does.
                Ok(Err(_)) => sleep(wait).await,
                Err(_) => {}
            }
            wait = (wait * 2).min(AGAIN.1);
            match self.again(it).await {
                Ok(()) => return Ok(true),
                Err(another) => error = another,
            }
        }
        Err(error)
    }

    /// Begins again where the journal says, unless somebody else has the move by now.
    async fn again(&mut self, it: &Move) -> Result<(), MoveError> {
        // By the error alone nobody tells who was ended by another pgmoor from who was ended by a server that stops.
        if self.keeper.query("select 1").await.is_err() {
            let mut keeper = it.target.wire("keeper").await?;
            journal::take_back(&mut keeper, journal::MOVER, self.keeper.pid).await?;
            self.keeper = keeper;
            self.phases = it.target.session().await?;
        }
        self.follower = it.follow(self.direction).await?;
        Ok(())
    }

    /// The sending side keeps its log for us: not for ever.
    fn look(&self, it: &Move) -> Result<(), MoveError> {
        let seen = self.follower.seen();
        match seen.lag() > it.limits.kept_log {
            true => Err(MoveError::TooMuchLog {
                kept: seen.lag(),
                limit: it.limits.kept_log,
            }),
            false => Ok(()),
        }
    }

    /// Brings a crossing to its end that was decided before: clients go on at the side that sends changes now.
    ///
    /// # Errors
    /// [`MoveError`]; it may be said again.
    pub async fn complete(&self, it: &Move, gateway: &dyn TrafficControl) -> Result<(), MoveError> {
        let live = it.sender(self.direction);
        let session = live.session().await?;
        crossing::complete(&it.database, live, &session, gateway).await
    }

    /// Takes clients to the side that has followed until now, and follows the other way from then on.
    ///
    /// # Errors
    /// Clients are where they were before, but for [`MoveError::Stuck`].
    pub async fn cross(
        mut self,
        it: &Move,
        gateway: &dyn TrafficControl,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, Crossed), MoveError> {
        let crossing = Crossing {
            database: &it.database,
            direction: self.direction,
            old: it.sender(self.direction),
            new: it.receiver(self.direction),
            gateway,
            max_pause: it.limits.max_pause,
            listener: &*it.listener,
            spare: self.keeper.pid.into_iter().chain(self.phases.pid).collect(),
        };
        crossing.demand_endpoint().await?;
        crossing.prepare().await?;
        if !self.catch_up(it, stop.clone()).await? {
            return Err(MoveError::Interrupted);
        }
        crossing.refresh().await?;
        if !self.catch_up(it, stop).await? {
            return Err(MoveError::Interrupted);
        }
        let crossed = crossing.cross(&mut self.follower, &self.phases).await?;
        drop(self.follower.stop().await);
        let old = it.sender(self.direction).session().await?;
        outgoing::unguard(&old).await?;
        outgoing::drop_slot(&old, &names::outgoing(&old.database)).await?;
        old.close().await;
        let direction = self.direction.other();
        let hold = Self {
            follower: it.follow(direction).await?,
            keeper: self.keeper,
            phases: self.phases,
            direction,
        };
        Ok((hold, crossed))
    }
}
