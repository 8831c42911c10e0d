//! What happens during a move, for people and logs.

use std::fmt;
use std::time::Duration;

use super::copy::{self, Progress};
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
    /// Of the initial copy, or of a comparison of rows: an index was made, or a constraint checked.
    Made {
        /// In PostgreSQL's words.
        kind: String,
        /// With its table.
        name: String,
    },
    /// What is to be copied or compared is known.
    Planned {
        /// Tables with rows of their own.
        tables: usize,
        /// Bytes of them on disk.
        bytes: u64,
    },
    /// So much more has gone through.
    Rows {
        /// Rows since the last time.
        rows: u64,
        /// Bytes since the last time.
        bytes: u64,
    },
    /// A table is done.
    Table {
        /// As it stands in SQL.
        table: String,
        /// All of its rows.
        rows: u64,
        /// What they have in bytes.
        bytes: u64,
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

/// Tells a [`Listener`] of a copy's events.
pub(super) struct OfCopy<'a>(pub(super) &'a dyn Listener);

impl Progress for OfCopy<'_> {
    fn event(&self, event: copy::Event<'_>) {
        let owned = match event {
            copy::Event::Planned { tables, bytes, .. } => Event::Planned { tables, bytes },
            copy::Event::Rows { rows, bytes, .. } => Event::Rows { rows, bytes },
            copy::Event::Table { table, digest } => Event::Table {
                table: table.to_owned(),
                rows: digest.rows,
                bytes: digest.bytes,
            },
            copy::Event::Made { kind, name } => Event::Made {
                kind: kind.to_owned(),
                name: name.to_owned(),
            },
            copy::Event::Resumed { rows, .. } => Event::Note(format!(
                "an earlier copy is gone on with: {rows} rows are there"
            )),
            copy::Event::Done(stage) => Event::Step(match stage {
                copy::Stage::Objects => "copy the rows, make indexes and constraints",
                copy::Stage::Rows => "make the rest",
                copy::Stage::Rest => "compare the catalogues",
                copy::Stage::Compared => "the catalogues say the same",
            }),
        };
        self.0.event(owned);
    }
}
