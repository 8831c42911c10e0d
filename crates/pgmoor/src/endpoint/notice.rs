//! What was done with an address beyond taking it literally.

use std::fmt;

/// One sentence for the operator about how an address was understood; never carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notice(String);

impl Notice {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
