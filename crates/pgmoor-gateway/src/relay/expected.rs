//! The answers that a server connection still owes, in order.
//!
//! Here is where poolers give a client somebody else's rows: so the order is kept for every
//! message, also for those that the gateway sends or answers itself.

use std::collections::VecDeque;
use std::rc::Rc;

use pgmoor_wire::sqlstate::SqlState;

use crate::sql::{Effect, Effects};
use crate::statements::Statement;

/// What kind of message an answer is expected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A simple query: everything up to ReadyForQuery.
    Query,
    /// A function call: everything up to ReadyForQuery.
    Function,
    /// ReadyForQuery.
    Sync,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    /// Not asked of the server: the bytes in the note go out when their turn comes.
    Local,
    /// A Parse of our own; its answer is swallowed.
    OwnParse,
    /// A Close of our own; its answer is swallowed.
    OwnClose,
    /// A query of our own that sets parameters; all of its answer is swallowed.
    OwnQuery,
}

impl Kind {
    /// Skipped by the server after an error, up to the next Sync.
    fn is_skipped(self) -> bool {
        self != Self::Sync
    }

    /// ReadyForQuery ends its answer: what comes behind it happens also when it fails.
    fn is_boundary(self) -> bool {
        matches!(self, Self::Query | Self::Function | Self::Sync)
    }
}

/// What the unnamed statement was before a message that replaces or drops it.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    /// The session's; `None` when the message leaves it alone.
    pub(crate) session: Option<Option<Rc<Statement>>>,
    /// The server's, in the same way.
    pub(crate) server: Option<Option<u64>>,
}

/// An error of the gateway's own that the client gets in place of the server's.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Only in place of this one; of any when there is none.
    pub(crate) of: Option<SqlState>,
    /// The whole message.
    pub(crate) error: Vec<u8>,
}

/// One expected answer.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) kind: Kind,
    pub(crate) unnamed: Unnamed,
    /// What few messages have.
    pub(crate) note: Option<Box<Note>>,
}

impl Expected {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            unnamed: Unnamed::default(),
            note: None,
        }
    }

    pub(crate) fn with(kind: Kind, note: Note) -> Self {
        Self {
            kind,
            unnamed: Unnamed::default(),
            note: Some(Box::new(note)),
        }
    }
}

/// What to do when the answer comes, or when it does not.
#[derive(Debug, Default)]
pub(crate) struct Note {
    /// Take place when the statement succeeds.
    pub(crate) effects: Effects,
    /// Sent to the client instead of the error that the server will give.
    pub(crate) refusal: Option<Refusal>,
    /// Sent to the client in turn ([`Kind::Local`]).
    pub(crate) local: Vec<u8>,
    /// The client's name that this message defines; undefined again when it fails.
    pub(crate) defines: Option<(Box<[u8]>, u64)>,
    /// The statement that this message prepares on the server.
    pub(crate) prepares: Option<u64>,
    /// The statement that this message takes off the server.
    pub(crate) evicts: Option<u64>,
    /// What this message closed; there again when it was skipped.
    pub(crate) closed: Option<(Box<[u8]>, Rc<Statement>)>,
}

impl Note {
    /// Whether its message takes statements away that others behind it may ask for.
    fn is_barrier(&self) -> bool {
        self.effects.list.iter().any(|effect| {
            matches!(
                effect,
                Effect::DiscardAll | Effect::DeallocateAll | Effect::Deallocate { .. }
            )
        })
    }

    /// Whether its message changes what this name of the client's stands for.
    pub(crate) fn renames(&self, name: &[u8]) -> bool {
        self.defines
            .as_ref()
            .is_some_and(|(known, _)| **known == *name)
            || self
                .closed
                .as_ref()
                .is_some_and(|(known, _)| **known == *name)
    }

    /// Whether its message puts this statement on the server or takes it off.
    pub(crate) fn moves(&self, id: u64) -> bool {
        self.prepares == Some(id) || self.evicts == Some(id)
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Expected>,
    /// How many of them have a note.
    noted: usize,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, kind: Kind) {
        self.entries.push_back(Expected::new(kind));
    }

    pub(crate) fn push_with(&mut self, kind: Kind, note: Note) {
        self.add(Expected::with(kind, note));
    }

    pub(crate) fn add(&mut self, expected: Expected) {
        self.noted += usize::from(expected.note.is_some());
        self.entries.push_back(expected);
    }

    #[inline]
    pub(crate) fn head(&self) -> Option<Kind> {
        self.entries.front().map(|expected| expected.kind)
    }

    pub(crate) fn head_mut(&mut self) -> Option<&mut Expected> {
        self.entries.front_mut()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Expected> {
        let head = self.entries.pop_front();
        if head.as_ref().is_some_and(|head| head.note.is_some()) {
            self.noted -= 1;
        }
        head
    }

    /// Takes the head when it is of this kind.
    #[inline]
    pub(crate) fn pop_if(&mut self, kind: Kind) -> Option<Expected> {
        (self.head() == Some(kind)).then(|| self.pop()).flatten()
    }

    /// Takes everything that the server skips after an error; `true` when a Sync is there to end it.
    pub(crate) fn fail_to_sync(&mut self) -> (Vec<Expected>, bool) {
        let skipped = self
            .entries
            .iter()
            .take_while(|expected| expected.kind.is_skipped())
            .count();
        let skipped: Vec<_> = self.entries.drain(..skipped).collect();
        self.noted -= skipped.iter().filter(|e| e.note.is_some()).count();
        (skipped, !self.entries.is_empty())
    }

    /// A COPY FROM STDIN began at the head: the Syncs directly behind it are swallowed by the
    /// server. Gives their number, and whether anything else stands behind.
    pub(crate) fn swallow_syncs(&mut self) -> (usize, bool) {
        let syncs = self
            .entries
            .iter()
            .skip(1)
            .take_while(|expected| expected.kind == Kind::Sync)
            .count();
        if syncs > 0 {
            self.entries.drain(1..=syncs);
        }
        (syncs, self.entries.len() > 1)
    }

    /// Whether something is under way that may begin or end a transaction.
    pub(crate) fn has_run(&self) -> bool {
        let runs = [Kind::Query, Kind::Execute, Kind::Function];
        self.entries
            .iter()
            .any(|expected| runs.contains(&expected.kind))
    }

    pub(crate) fn has_sync(&self) -> bool {
        self.entries
            .iter()
            .any(|expected| expected.kind == Kind::Sync)
    }

    /// Something stands there that happens or not whatever came of what is before it.
    pub(crate) fn has_boundary(&self) -> bool {
        self.entries
            .iter()
            .any(|expected| expected.kind.is_boundary())
    }

    /// Statements of the session are about to go, whichever these are.
    pub(crate) fn has_barrier(&self) -> bool {
        self.noted > 0 && self.notes().any(Note::is_barrier)
    }

    fn notes(&self) -> impl Iterator<Item = &Note> {
        self.entries
            .iter()
            .filter_map(|expected| expected.note.as_deref())
    }

    /// The last message whose note is like this may fail without what comes next being skipped.
    pub(crate) fn leaves_open(&self, is_like: impl Fn(&Note) -> bool) -> bool {
        self.noted > 0 && self.is_open(|expected| expected.note.as_deref().is_some_and(&is_like))
    }

    /// The same for the last message that changes the unnamed statement.
    pub(crate) fn leaves_unnamed_open(&self) -> bool {
        // Who changes the session's changes the server's, too.
        self.is_open(|expected| expected.unnamed.server.is_some())
    }

    fn is_open(&self, is_like: impl Fn(&Expected) -> bool) -> bool {
        let mut behind = false;
        for expected in self.entries.iter().rev() {
            behind |= expected.kind.is_boundary();
            if is_like(expected) {
                return behind;
            }
        }
        false
    }

    /// The first message that changes the unnamed statement will have found this one.
    /// Gives back what no such message is there for.
    pub(crate) fn inherit_unnamed(&mut self, mut unnamed: Unnamed) -> Unnamed {
        for expected in &mut self.entries {
            if unnamed.session.is_some() && expected.unnamed.session.is_some() {
                expected.unnamed.session = unnamed.session.take();
            }
            if unnamed.server.is_some() && expected.unnamed.server.is_some() {
                expected.unnamed.server = unnamed.server.take();
            }
        }
        unnamed
    }

    /// The first message that puts this statement on the server or takes it off.
    pub(crate) fn mover(&mut self, id: u64) -> Option<&mut Note> {
        self.entries
            .iter_mut()
            .filter_map(|expected| expected.note.as_deref_mut())
            .find(|note| note.moves(id))
    }

    /// Gives memory back that a long pipeline took.
    pub(crate) fn shrink(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > 16 {
            self.entries.shrink_to(0);
        }
    }
}
