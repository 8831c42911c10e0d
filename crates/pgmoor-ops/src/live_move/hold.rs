//! A move in the hands of this process: changes are followed, compared, and clients taken across.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::crossing::{self, Crossed, Crossing};
use super::error::MoveError;
use super::event::{Event, OfCopy};
use super::follow::{Follower, Seen};
use super::journal::{self, Direction, Phase};
use super::lock;
use super::mover::{AGAIN, Move, same};
use super::names;
use super::outgoing;
use super::verify::{Verification, Verified};
use crate::session::Session;
use crate::traffic::TrafficControl;
use crate::wire_session::WireSession;

/// How often one tells how far it is, and looks at what the sending side keeps.
const TELL: Duration = Duration::from_millis(500);

/// The changes as they are followed, and the right to do the move.
#[derive(Debug)]
pub struct Hold {
    /// At the target; it has the move as long as it lives.
    pub(super) keeper: WireSession,
    /// At the target, for the journal.
    pub(super) phases: Session,
    pub(super) follower: Follower,
    pub(super) direction: Direction,
}

impl Move {
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
        let slot = outgoing::make_slot(from, &name, true, outgoing::BRIEF).await?;
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
            followed_only: true,
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
    pub fn seen(&self) -> Seen {
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
        until: impl Fn(&Seen) -> bool,
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
        let is_near = |seen: &Seen| seen.beacon >= beacon && seen.lag() <= lag;
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
            lock::take_back(&mut keeper, lock::MOVER, self.keeper.pid).await?;
            self.keeper = keeper;
            self.phases = it.target.session().await?;
        }
        let hold = self.follower.holds_at();
        self.follower = it.follow(self.direction).await?;
        self.follower.hold(hold);
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
            spare: match self.direction {
                // Theirs are processes of the target's server.
                Direction::Forward => Vec::new(),
                Direction::Back => self.keeper.pid.into_iter().chain(self.phases.pid).collect(),
            },
        };
        let new = &crossing.new.endpoint;
        crossing::demand_endpoint(&it.database, new, gateway).await?;
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
