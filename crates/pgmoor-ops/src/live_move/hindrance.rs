//! What keeps a move from being begun.

use std::fmt;

/// Something that keeps a move from being begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What it is.
    pub what: String,
    /// What to type.
    pub hint: String,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
