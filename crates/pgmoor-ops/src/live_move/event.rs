//! What happens during a move, for people and logs.

use std::fmt;
use std::time::Duration;

use super::follow::Seen;
use super::journal::Phase;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The move is here now.
    Phase(Phase),
    /// Something begins, as a verb phrase: "make the publication".
    Step(&'static str),
    /// What somebody ought to know, as a sentence.
    Note(String),
    /// How far the follower is.
    Seen(Seen),
    /// The connection to a server was lost; it is tried again.
    Again {
        /// Why.
        why: String,
        /// After so long.
        after: Duration,
    },
    /// Clients wait since now.
    Paused,
    /// Clients go on; so long they have waited at most.
    Resumed(Duration),
}

/// Who is told of what happens. It must not wait.
pub trait Listener: Send + Sync + fmt::Debug {
    /// This happened.
    fn event(&self, event: Event);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Listener for Nobody {
    fn event(&self, _event: Event) {}
}
