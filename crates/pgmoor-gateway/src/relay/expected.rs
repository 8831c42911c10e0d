//! The answers that a server connection still owes, in order.
//!
//! Here is where poolers give a client somebody else's rows: so the order is kept for every
//! message, also for those that the gateway sends or answers itself.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::sql::Effects;
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
}

/// One expected answer.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) kind: Kind,
    /// What few messages have.
    pub(crate) note: Option<Box<Note>>,
}

/// What to do when the answer comes, or when it does not.
#[derive(Debug, Default)]
pub(crate) struct Note {
    /// Take place when the statement succeeds.
    pub(crate) effects: Effects,
    /// Sent to the client instead of the error that the server will give.
    pub(crate) refusal: Option<Vec<u8>>,
    /// Sent to the client in turn ([`Kind::Local`]).
    pub(crate) local: Vec<u8>,
    /// ReadyForQuery follows that, with the transaction status of its turn.
    pub(crate) ready: bool,
    /// The client's name that this message defines; undefined again when it fails.
    pub(crate) defines: Option<(Box<[u8]>, u64)>,
    /// The statement that this message prepares on the server.
    pub(crate) prepares: Option<u64>,
    /// The statement that this message takes off the server.
    pub(crate) evicts: Option<u64>,
    /// What this message closed; there again when it was skipped.
    pub(crate) closed: Option<(Box<[u8]>, Rc<Statement>)>,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<Expected>);

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, kind: Kind) {
        self.0.push_back(Expected { kind, note: None });
    }

    pub(crate) fn push_with(&mut self, kind: Kind, note: Note) {
        self.0.push_back(Expected {
            kind,
            note: Some(Box::new(note)),
        });
    }

    #[inline]
    pub(crate) fn head(&self) -> Option<Kind> {
        self.0.front().map(|expected| expected.kind)
    }

    pub(crate) fn head_mut(&mut self) -> Option<&mut Expected> {
        self.0.front_mut()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Expected> {
        self.0.pop_front()
    }

    /// Takes the head when it is of this kind.
    #[inline]
    pub(crate) fn pop_if(&mut self, kind: Kind) -> Option<Expected> {
        (self.head() == Some(kind))
            .then(|| self.0.pop_front())
            .flatten()
    }

    /// Takes everything that the server skips after an error; `true` when a Sync is there to end it.
    pub(crate) fn fail_to_sync(&mut self) -> (Vec<Expected>, bool) {
        let skipped = self
            .0
            .iter()
            .take_while(|expected| expected.kind.is_skipped())
            .count();
        (self.0.drain(..skipped).collect(), !self.0.is_empty())
    }

    /// A COPY FROM STDIN began at the head: the Syncs directly behind it are swallowed by the
    /// server. Gives their number, and whether anything else stands behind.
    pub(crate) fn swallow_syncs(&mut self) -> (usize, bool) {
        let syncs = self
            .0
            .iter()
            .skip(1)
            .take_while(|expected| expected.kind == Kind::Sync)
            .count();
        self.0.drain(1..=syncs);
        (syncs, self.0.len() > 1)
    }

    pub(crate) fn has_sync(&self) -> bool {
        self.0.iter().any(|expected| expected.kind == Kind::Sync)
    }

    /// Gives memory back that a long pipeline took.
    pub(crate) fn shrink(&mut self) {
        if self.0.is_empty() && self.0.capacity() > 16 {
            self.0.shrink_to(0);
        }
    }
}
