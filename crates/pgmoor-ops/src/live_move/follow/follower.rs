//! The follower of one direction: what one side sends is done at the other, and both know how far.

use pgmoor_wire::lsn::Lsn;
use pgmoor_wire::pgoutput::{Change, Row, Value};
use tokio::time::Instant;

use super::apply::{Applier, Known, row_change};
use super::changes::{Changes, Chunk};
use crate::live_move::error::MoveError;
use crate::live_move::journal::{self, Direction};
use crate::live_move::names;
use crate::live_move::side::Side;
use crate::wire_session::WireSession;

/// Bytes of changes in one transaction at the receiving side, when many small ones are to be done.
const BATCH: usize = 8 * 1024 * 1024;

/// Follows one side at the other.
#[derive(Debug)]
pub struct Follower {
    applier: Applier,
    changes: Changes,
    direction: Direction,
    endpoint: String,
    /// What has arrived and is not done, and how much of it is.
    chunk: Chunk,
    place: usize,
    /// Transactions that were committed there from this place on are not begun.
    hold: Option<Lsn>,
    transaction: Option<Transaction>,
    /// The end of the last transaction that is done, committed or not.
    done: Lsn,
    /// Bytes that are done and not committed.
    pending: usize,
    /// The last beacon that was passed, committed or not.
    beacon: i64,
    /// Transactions and changes of rows that are done and not committed.
    counted: (u64, u64),
    seen: Seen,
}

#[derive(Debug, Clone, Copy)]
struct Transaction {
    /// Whether it was done before.
    is_old: bool,
    /// Where.
    committed: Lsn,
}

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// All before this place is done for good.
    pub applied: Lsn,
    /// The end of the sending side's log, as it said last.
    pub log: Lsn,
    /// The last beacon that was passed: all that was committed before it is done for good.
    pub beacon: i64,
    /// Transactions done.
    pub transactions: u64,
    /// Changes of rows done.
    pub rows: u64,
    /// Whether nothing is done because of [`Follower::hold`].
    pub is_held: bool,
}

impl Seen {
    /// Bytes of the log that are still to be done.
    pub fn lag(&self) -> u64 {
        self.applied.bytes_until(self.log)
    }
}

impl Follower {
    /// Goes on where the receiving side says that it is. `applying` is a session there that holds the move.
    ///
    /// # Errors
    /// The receiving side knows of no such direction, or the other one does not send.
    pub async fn start(
        from: &Side,
        mut applying: WireSession,
        direction: Direction,
    ) -> Result<Self, MoveError> {
        let (applied, beacon) = journal::progress(&mut applying, direction).await?;
        let name = names::outgoing(&from.dbname);
        let changes = Changes::open(from, &name, &name, applied).await?;
        Ok(Self {
            applier: Applier::new(applying),
            changes,
            direction,
            endpoint: from.endpoint.clone(),
            chunk: Chunk::default(),
            place: 0,
            hold: None,
            transaction: None,
            done: applied,
            pending: 0,
            beacon,
            counted: (0, 0),
            seen: Seen {
                applied,
                log: applied,
                beacon,
                ..Seen::default()
            },
        })
    }

    /// The server process that sends the changes.
    pub fn reads_as(&self) -> Option<i32> {
        self.changes.pid
    }

    /// How far it is.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Where it holds, if it was told to.
    pub fn holds_at(&self) -> Option<Lsn> {
        self.hold
    }

    /// Holds before the first transaction that was committed at this place or later; `None` lets it go on.
    pub fn hold(&mut self, at: Option<Lsn>) {
        self.hold = at;
        self.seen.is_held = false;
    }

    /// Does what there is, and waits until `until` at most when there is nothing. Returns as soon as it is done with what
    /// has arrived, or holds.
    ///
    /// Not cancel safe: a follower that was interrupted is started again.
    ///
    /// # Errors
    /// Why it cannot go on. All that it has [`Seen`] as applied is; it may be started again.
    pub async fn step(&mut self, until: Instant) -> Result<Seen, MoveError> {
        if self.seen.is_held {
            return Ok(self.seen);
        }
        if self.chunk.get(self.place).is_none() {
            let Some(chunk) = self.changes.next(until).await? else {
                return Ok(self.seen);
            };
            self.seen.log = self.seen.log.max(chunk.log);
            (self.chunk, self.place) = (chunk, 0);
        }
        self.work().await?;
        if !self.changes.has_more() || self.pending > BATCH {
            self.settle().await?;
        }
        // All before that place was sent, and what was sent is done: there is nothing for us in between.
        let sent = self.chunk.sent;
        if self.transaction.is_none() && sent > self.done && !self.seen.is_held {
            self.pass(sent).await?;
        }
        Ok(self.seen)
    }

    async fn pass(&mut self, sent: Lsn) -> Result<(), MoveError> {
        self.settle().await?;
        self.done = sent;
        self.seen.applied = sent;
        self.changes.is_safe(sent);
        if self.hold.is_some_and(|hold| sent >= hold) {
            self.seen.is_held = true;
        }
        Ok(())
    }

    /// Does the changes that have arrived.
    async fn work(&mut self) -> Result<(), MoveError> {
        let chunk = std::mem::take(&mut self.chunk);
        let outcome = self.work_on(&chunk).await;
        self.chunk = chunk;
        if outcome.is_err() {
            let _ = self.applier.roll_back().await;
        }
        outcome
    }

    async fn work_on(&mut self, chunk: &Chunk) -> Result<(), MoveError> {
        while let Some(data) = chunk.get(self.place) {
            let change = Change::decode(data).map_err(|error| self.broken(&error.to_string()))?;
            if let Change::Begin { commit, .. } = change {
                if self.hold.is_some_and(|hold| commit >= hold) {
                    self.settle().await?;
                    self.seen.is_held = true;
                    return Ok(());
                }
                let is_old = commit < self.seen.applied;
                let committed = commit;
                self.transaction = Some(Transaction { is_old, committed });
                self.place += 1;
                continue;
            }
            self.change(change).await?;
            self.pending += data.len();
            self.place += 1;
        }
        Ok(())
    }

    async fn change(&mut self, change: Change<'_>) -> Result<(), MoveError> {
        match change {
            Change::Relation(relation) => {
                let is_copied = self.direction == Direction::Forward;
                let applier = &mut self.applier;
                return applier.describe(&relation, names::SCHEMA, is_copied).await;
            }
            Change::Commit { end, .. } => {
                self.transaction = None;
                self.done = self.done.max(end);
                self.counted.0 += 1;
                return Ok(());
            }
            Change::Begin { .. }
            | Change::Origin { .. }
            | Change::Type { .. }
            | Change::Message { .. } => return Ok(()),
            Change::Insert { .. }
            | Change::Update { .. }
            | Change::Delete { .. }
            | Change::Truncate { .. } => {}
        }
        let Some(transaction) = self.transaction else {
            return Err(self.broken("a change comes outside a transaction"));
        };
        let Transaction { is_old, committed } = transaction;
        if is_old {
            return Ok(());
        }
        if let Change::Truncate {
            cascades,
            restarts_identity,
            relations,
        } = change
        {
            let applier = &mut self.applier;
            return applier
                .truncate(relations, cascades, restarts_identity, committed)
                .await;
        }
        let Some((relation, row)) = row_change(&change) else {
            return Ok(());
        };
        match (self.applier.table(relation), &change) {
            (None, _) => Err(self.broken("a change comes before its table")),
            (Some(Known::Own), Change::Insert { new, .. }) => self.message(*new),
            (Some(Known::Own), _) => Ok(()),
            (Some(Known::Followed { since, .. }), _) if committed < *since => Ok(()),
            (Some(Known::Followed { .. }), _) => {
                self.counted.1 += 1;
                self.applier.row(relation, row).await
            }
        }
    }

    /// A row of the move's own table of messages: number, kind, text.
    fn message(&mut self, row: Row<'_>) -> Result<(), MoveError> {
        let mut values = row.values().map(|value| match value {
            Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Binary(_) | Value::Null | Value::Unchanged => String::new(),
        });
        let mut next = || values.next().unwrap_or_default();
        let (number, kind, text) = (next(), next(), next());
        match kind.as_str() {
            journal::BEACON => {
                let number = number.parse().unwrap_or_default();
                self.beacon = self.beacon.max(number);
                Ok(())
            }
            journal::DDL => Err(MoveError::Redefined {
                statement: text,
                at: self.seen.applied,
            }),
            _ => Ok(()),
        }
    }

    /// Commits what is done, with the place to go on from.
    async fn settle(&mut self) -> Result<(), MoveError> {
        if self.transaction.is_some() {
            return Ok(());
        }
        self.pending = 0;
        if self.done > self.seen.applied {
            let note = journal::note_progress(self.direction, self.done, self.beacon);
            self.applier.commit(&note).await?;
            self.seen.applied = self.done;
            self.changes.is_safe(self.done);
        }
        let (transactions, rows) = std::mem::take(&mut self.counted);
        self.seen.transactions += transactions;
        self.seen.rows += rows;
        self.seen.beacon = self.beacon.max(self.seen.beacon);
        Ok(())
    }

    fn broken(&self, why: &str) -> MoveError {
        MoveError::Stream {
            endpoint: self.endpoint.clone(),
            why: why.to_owned(),
        }
    }

    /// Gives the session at the receiving side back; what is not committed is undone.
    ///
    /// # Errors
    /// The session was lost.
    pub async fn stop(mut self) -> Result<WireSession, MoveError> {
        self.applier.roll_back().await?;
        Ok(self.applier.into_session())
    }
}
