//! What is asked of a copy, and what it tells in the end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::accepted::Accepted;
use super::digest::Digest;
use super::ground::Ground;
use super::roles::MissingRole;
use crate::catalogue::{Catalogue, Difference, Loss, Script};
use crate::live_move::side::Side;

/// How a copy is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Streams of rows and index builds at once, each with a session on both sides; at least one.
    pub streams: usize,
    /// What roles of the source are called on the target; others keep their names.
    pub roles: BTreeMap<String, String>,
    /// What may get lost, or be different afterwards.
    pub accepted: Accepted,
    /// Whether tables that an earlier copy finished as of another moment stay as they are. Whoever follows the source's
    /// changes has to begin with those after the earliest mark, and to leave out, for each table, those before its own
    /// ([`TableCopied::mark`]). Otherwise all rows are copied anew when the moment is another.
    pub keeps_other_moments: bool,
    /// Kilobytes for making an index, for each stream; what the target suggests when nothing is said.
    pub index_memory_kb: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            streams: 2,
            roles: BTreeMap::new(),
            accepted: Accepted::default(),
            keeps_other_moments: false,
            index_memory_kb: None,
        }
    }
}

/// The copy of a database to another.
#[derive(Debug, Clone)]
pub struct Copy {
    /// From where.
    pub source: Side,
    /// To where.
    pub target: Side,
    /// The snapshot of which everything is copied, as its session exported it; one of its own when there is none, which is
    /// for a source that nobody writes to, and for tests.
    pub snapshot: Option<String>,
    /// What names the moment of the snapshot (an LSN, for one): parts of one table are never of two moments.
    pub mark: String,
    /// How.
    pub options: Options,
}

/// What a copy would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Tables with rows of their own.
    pub tables: usize,
    /// Bytes of them on disk.
    pub bytes: u64,
    /// Statements that make all other things.
    pub statements: usize,
    /// What would not get to the target, each to be accepted by name, or mended by a role.
    pub losses: Vec<Loss>,
    /// Roles that the target lacks.
    pub missing_roles: Vec<MissingRole>,
}

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableCopied {
    /// As it stands in SQL.
    pub name: String,
    /// Raw.
    pub schema: String,
    /// Raw.
    pub bare: String,
    /// As of which moment its rows are: [`Copy::mark`], or that of an earlier copy that was gone on with.
    pub mark: String,
    /// Whether the digest is of rows in binary form.
    pub is_binary: bool,
    /// What its rows come to.
    pub digest: Digest,
}

/// What was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// All tables.
    pub tables: Vec<TableCopied>,
    /// What large objects hold.
    pub large_objects: Digest,
    /// What was accepted to be lost.
    pub losses: Vec<Loss>,
    /// What was accepted to be different.
    pub differences: Vec<Difference>,
}

/// What is known of both sides when the copy begins.
pub(super) struct Known {
    pub(super) catalogue: Catalogue,
    pub(super) ground: Ground,
    pub(super) script: Script,
}
