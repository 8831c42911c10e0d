//! What a copy tells while it is under way.

use super::digest::Digest;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// What is to be copied is known.
    Planned {
        /// Tables with rows of their own.
        tables: usize,
        /// Bytes of them on disk.
        bytes: u64,
        /// Statements that make all other things.
        statements: usize,
    },
    /// An earlier copy is gone on with.
    Resumed {
        /// Rows that are there already.
        rows: u64,
        /// Statements that were run already.
        statements: usize,
    },
    /// So much more of a table has gone through; it counts when its part is done.
    Rows {
        /// As it stands in SQL.
        table: &'a str,
        /// Rows since the last time.
        rows: u64,
        /// Bytes since the last time.
        bytes: u64,
    },
    /// A table has all its rows.
    Table {
        /// As it stands in SQL.
        table: &'a str,
        /// What they come to.
        digest: Digest,
    },
    /// An index was made, or a constraint checked.
    Made {
        /// In PostgreSQL's words.
        kind: &'a str,
        /// With its table.
        name: &'a str,
    },
    /// A part of the work is done.
    Done(Stage),
}

/// The parts of the work, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All that rows need is there.
    Objects,
    /// Rows, indexes and constraints are there.
    Rows,
    /// Owners, privileges, comments and settings are there.
    Rest,
    /// The catalogues of both sides were compared.
    Compared,
}

/// Who is told. It is called from the copy itself: it must not wait.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}
