//! The way of clients from one side to the other: a cutover, and a rollback, which is the same the other way.
//!
//! The order of what is done is the point of it. What is before [`decide`](Crossing::decide) can be undone, and is, when
//! it fails or takes too long; what is behind it is done again until it is done. The line between the two is one row
//! of the target's journal.

use std::future::Future;
use std::time::Duration;

use pgmoor_wire::lsn::Lsn;
use tokio::time::{Instant, timeout_at};

use super::definitions;
use super::error::MoveError;
use super::event::{Event, Listener};
use super::fence::{self, Before, Standing};
use super::follow::Follower;
use super::journal::{self, Direction, Phase};
use super::large_objects;
use super::names;
use super::outgoing;
use super::sequences;
use super::side::Side;
use super::views;
use crate::session::Session;
use crate::traffic::TrafficControl;

/// How long what has to be done behind the decision, or undone before it, may take.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// How long one statement of what is done before clients wait may take.
const CARRY: Duration = Duration::from_secs(3_600);

/// What a crossing needs.
pub(super) struct Crossing<'a> {
    /// The database, as clients call it.
    pub(super) database: &'a str,
    /// The way that changes flow until now; clients go the same way.
    pub(super) direction: Direction,
    /// Where clients are.
    pub(super) old: &'a Side,
    /// Where they go.
    pub(super) new: &'a Side,
    /// What directs them.
    pub(super) gateway: &'a dyn TrafficControl,
    /// How long they may wait.
    pub(super) max_pause: Duration,
    /// Who is told.
    pub(super) listener: &'a dyn Listener,
    /// Sessions of the move at the old side besides those that are opened here: their server processes.
    pub(super) spare: Vec<i32>,
}

/// What a crossing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossed {
    /// How long clients waited at most.
    pub pause: Duration,
    /// Sessions at the old side that were ended by the fence.
    pub ended: usize,
    /// Sequences that were set.
    pub sequences: usize,
    /// Where the old side's log ended.
    pub last: Lsn,
}

impl Direction {
    /// Where the move is while clients cross this way.
    pub(super) fn crossing(self) -> Phase {
        match self {
            Self::Forward => Phase::CuttingOver,
            Self::Back => Phase::RollingBack,
        }
    }

    /// Where the move is when they have.
    pub(super) fn crossed(self) -> Phase {
        match self {
            Self::Forward => Phase::Moved,
            Self::Back => Phase::Following,
        }
    }

    /// The other way.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Forward => Self::Back,
            Self::Back => Self::Forward,
        }
    }
}

impl Crossing<'_> {
    /// Has the new side ready to send its changes to the old one, before anybody waits for it.
    ///
    /// # Errors
    /// [`MoveError`]; nothing that matters was changed.
    pub(super) async fn prepare(&self) -> Result<(), MoveError> {
        self.listener.event(Event::Step("prepare the way back"));
        let session = self.new.session().await?;
        outgoing::unguard(&session).await?;
        outgoing::publish(&session).await?;
        let name = names::outgoing(&self.new.dbname);
        outgoing::drop_slot(&session, &name).await?;
        let slot = outgoing::make_slot(self.new, &name, false, outgoing::BRIEF).await?;
        slot.session.close().await;
        outgoing::guard(&session).await?;
        session.close().await;
        definitions::note(self.new).await?;
        definitions::demand_same(self.old).await
    }

    /// Has the new side hold what is in no change, as far as can be before clients wait.
    ///
    /// # Errors
    /// [`MoveError`]; nothing that matters was changed.
    pub(super) async fn refresh(&self) -> Result<(), MoveError> {
        self.listener
            .event(Event::Step("compute materialized views again"));
        let session = self.new.session().await?;
        views::refresh(&session).await?;
        let old = self.old.session().await?;
        let carried = large_objects::carry(&old, &session, CARRY).await?;
        if carried > 0 {
            let text = format!("{carried} large objects had changed and were carried");
            self.listener.event(Event::Note(text));
        }
        old.close().await;
        session.close().await;
        Ok(())
    }

    /// Takes clients across. `phases` is a session at the target, whose journal decides.
    ///
    /// # Errors
    /// Clients are where they were before, or it is not known: then the journal tells.
    pub(super) async fn cross(
        &self,
        follower: &mut Follower,
        phases: &Session,
    ) -> Result<Crossed, MoveError> {
        let old = self.old.session().await?;
        let new = self.new.session().await?;
        let before = match fence::read(&old).await? {
            Standing::Open(before) => before,
            Standing::Fenced(text) => {
                return Err(MoveError::NotNow {
                    verb: "cross",
                    why: format!("clients are not where the journal says: {text}"),
                    hint: "pgmoor move status".into(),
                });
            }
        };
        journal::note_before(&old, &before).await?;
        let before_it = self.direction.other().crossed();
        journal::note_phase(phases, before_it, self.direction.crossing()).await?;
        self.listener.event(Event::Phase(self.direction.crossing()));
        let began = Instant::now();
        let deadline = began + self.max_pause;
        match self.decide(follower, phases, &old, &new, deadline).await {
            Ok(crossed) => {
                self.complete(&new).await?;
                let pause = began.elapsed();
                self.listener.event(Event::Resumed(pause));
                self.listener.event(Event::Phase(self.direction.crossed()));
                Ok(Crossed { pause, ..crossed })
            }
            Err(error) => Err(self
                .recover(phases, &old, &new, before, began, error)
                .await?),
        }
    }

    /// All that can be undone, up to the decision.
    async fn decide(
        &self,
        follower: &mut Follower,
        phases: &Session,
        old: &Session,
        new: &Session,
        deadline: Instant,
    ) -> Result<Crossed, MoveError> {
        self.listener.event(Event::Paused);
        let database = self.database;
        let pause = async { Ok(self.gateway.pause(database).await?) };
        self.within(deadline, "pause clients", pause).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let drain = async { Ok(self.gateway.drain(database, left).await?) };
        if !self
            .within(deadline, "wait for open transactions", drain)
            .await?
            .is_done()
        {
            return Err(self.too_long("wait for open transactions"));
        }
        let spare: Vec<i32> = self
            .spare
            .iter()
            .copied()
            .chain(follower.reads_as())
            .collect();
        let raise = fence::raise(old, &self.new.endpoint, &spare, deadline);
        let mut ended = self.within(deadline, "fence the old side", raise).await?;
        let (proof, passed) = tokio::join!(
            self.within(deadline, "try the fence", fence::prove(self.old, deadline)),
            self.within(
                deadline,
                "do the last changes",
                self.pass_beacon(follower, old, deadline)
            )
        );
        proof?;
        passed?;
        // Who logged in while the fence went up and was not seen then is seen now.
        let late = fence::end_others(old, &spare, deadline);
        let late = self
            .within(deadline, "look for late sessions", late)
            .await?;
        if late > 0 {
            ended += late;
            let again = self.pass_beacon(follower, old, deadline);
            self.within(deadline, "do the last changes", again).await?;
        }
        // Nobody is left who could end one, and it would stay behind for ever.
        let prepared = fence::prepared(old);
        let prepared = self.within(deadline, "look for prepared transactions", prepared);
        if let Some(gid) = prepared.await? {
            return Err(MoveError::NotNow {
                verb: "take clients across",
                why: format!("the transaction {gid:?} is prepared at the old side and not ended"),
                hint: "COMMIT PREPARED or ROLLBACK PREPARED it, then the same again".into(),
            });
        }
        let positions = async {
            let positions = sequences::read(old, self.max_pause).await?;
            sequences::set(new, &positions, self.max_pause).await?;
            Ok(positions.len())
        };
        let sequences = self
            .within(deadline, "carry the sequences", positions)
            .await?;
        let carry = large_objects::carry(old, new, self.max_pause);
        self.within(deadline, "carry large objects", carry).await?;
        let last = follower.seen().applied;
        let noted = async {
            let from = journal::end_of_log(new).await?;
            journal::set_progress(old, self.direction.other(), from).await?;
            let (from, to) = (self.direction.crossing(), self.direction.crossed());
            journal::note_phase(phases, from, to).await
        };
        self.within(deadline, "note the decision", noted).await?;
        Ok(Crossed {
            pause: Duration::ZERO,
            ended,
            sequences,
            last,
        })
    }

    /// All that was committed at the old side is done at the new one.
    async fn pass_beacon(
        &self,
        follower: &mut Follower,
        old: &Session,
        deadline: Instant,
    ) -> Result<(), MoveError> {
        let beacon = journal::beacon(old).await?;
        while follower.seen().beacon < beacon {
            if Instant::now() >= deadline {
                return Err(self.too_long("do the last changes"));
            }
            follower.step(deadline).await?;
        }
        Ok(())
    }

    async fn complete(&self, new: &Session) -> Result<(), MoveError> {
        complete(self.database, self.new, new, self.gateway).await
    }

    /// Undoes what was done, unless it turns out to have been decided.
    async fn recover(
        &self,
        phases: &Session,
        old: &Session,
        new: &Session,
        before: Before,
        began: Instant,
        error: MoveError,
    ) -> Result<MoveError, MoveError> {
        let deadline = Instant::now() + AFTERWARDS;
        let undo = async {
            let entry = journal::read(phases).await?;
            if entry.is_some_and(|entry| entry.phase == self.direction.crossed()) {
                self.complete(new).await?;
                return Ok(());
            }
            let (from, to) = (self.direction.crossing(), self.direction.other().crossed());
            journal::note_phase(phases, from, to).await?;
            fence::lower(old, &before).await?;
            self.gateway.resume(self.database).await?;
            Ok(())
        };
        match timeout_at(deadline, undo).await {
            Ok(Ok(())) => {
                self.listener.event(Event::Resumed(began.elapsed()));
                Ok(error)
            }
            Ok(Err(worse)) => Err(MoveError::Stuck {
                first: Box::new(error),
                then: Box::new(worse),
            }),
            Err(_) => Err(MoveError::Stuck {
                first: Box::new(error),
                then: Box::new(self.too_long("undo the cutover")),
            }),
        }
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        step: &'static str,
        work: impl Future<Output = Result<T, MoveError>>,
    ) -> Result<T, MoveError> {
        self.listener.event(Event::Step(step));
        match timeout_at(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.too_long(step)),
        }
    }

    fn too_long(&self, step: &'static str) -> MoveError {
        MoveError::TooLong {
            step,
            limit_ms: self.max_pause.as_millis(),
        }
    }
}

/// The gateway has to know where clients are to go before anybody waits for it.
///
/// # Errors
/// It does not.
pub(super) async fn demand_endpoint(
    database: &str,
    endpoint: &str,
    gateway: &dyn TrafficControl,
) -> Result<(), MoveError> {
    let serving = gateway.serving(database).await?;
    match serving.endpoints.iter().any(|known| known == endpoint) {
        true => Ok(()),
        false => Err(MoveError::NotNow {
            verb: "take clients across",
            why: format!(
                "the gateway that runs has no endpoint \"{endpoint}\" open; it has {}",
                serving.endpoints.join(", ")
            ),
            hint: "pgmoor reload after a change of the configuration; a bundled endpoint runs while some database is served from it".into(),
        }),
    }
}

/// What is left to do when it is decided: the new side is open, and clients go on there.
///
/// It may be said again.
///
/// # Errors
/// [`MoveError`]; clients wait. It is to be said again.
pub(super) async fn complete(
    database: &str,
    live: &Side,
    session: &Session,
    gateway: &dyn TrafficControl,
) -> Result<(), MoveError> {
    open(session).await?;
    gateway.pause(database).await?;
    gateway.switch(database, &live.endpoint).await?;
    gateway.resume(database).await?;
    Ok(())
}

/// Takes a fence down, if there is one.
///
/// # Errors
/// [`MoveError::Server`].
pub(super) async fn open(session: &Session) -> Result<(), MoveError> {
    if let Standing::Fenced(_) = fence::read(session).await? {
        let before = journal::read(session).await?.map(|entry| entry.before);
        fence::lower(session, &before.unwrap_or_default()).await?;
    }
    Ok(())
}
