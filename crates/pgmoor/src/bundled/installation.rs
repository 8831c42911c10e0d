//! Server programs, and the places where they were looked for.

use std::fmt;
use std::path::PathBuf;

use super::version::Version;

/// Server programs that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The directory that holds `postgres` and `initdb`.
    pub bin_dir: PathBuf,
    /// What `postgres --version` says.
    pub version: Version,
}

/// A place that was looked at, and what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// A directory or pattern, or `pg_config in PATH`.
    pub place: String,
    /// What was there.
    pub outcome: String,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.place, self.outcome)
    }
}
