//! Which ways to log in are acceptable (`require_auth`).

use std::fmt;

use super::words::AuthMethod;

/// The ways to log in that the client accepts; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequireAuth {
    methods: Vec<AuthMethod>,
    negated: bool,
}

impl RequireAuth {
    /// Whether the server may ask for this method ([`AuthMethod::None`]: for nothing at all).
    pub fn allows(&self, method: AuthMethod) -> bool {
        self.is_any() || self.methods.contains(&method) != self.negated
    }

    /// Whether every method is acceptable.
    pub fn is_any(&self) -> bool {
        self.methods.is_empty()
    }
}

impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.methods.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let not = if self.negated { "!" } else { "" };
            write!(f, "{comma}{not}{method}")?;
        }
        Ok(())
    }
}
