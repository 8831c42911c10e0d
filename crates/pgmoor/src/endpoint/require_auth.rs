//! Which ways to log in are acceptable (`require_auth`).

use std::fmt;

use super::error::shown;
use super::words::AuthMethod;

/// The ways to log in that the client accepts; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequireAuth {
    methods: Vec<AuthMethod>,
    negated: bool,
}

impl RequireAuth {
    /// Reads a comma list of methods, either all plain or all negated with `!`.
    ///
    /// # Errors
    /// Says what is wrong with the list, without a name for the setting.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        let mut methods = Vec::new();
        let mut negated = None;
        for item in list.split(',') {
            let (word, negative) = match item.strip_prefix('!') {
                Some(word) => (word, true),
                None => (item, false),
            };
            if *negated.get_or_insert(negative) != negative {
                return Err("mixes methods with and without \"!\"".to_owned());
            }
            let method = AuthMethod::from_word(word).ok_or_else(|| {
                format!(
                    "cannot name {}; methods are {}",
                    shown(word),
                    AuthMethod::WORDS.join(", ")
                )
            })?;
            if methods.contains(&method) {
                return Err(format!("names {word:?} twice"));
            }
            methods.push(method);
        }
        Ok(Self {
            methods,
            negated: negated.unwrap_or(false),
        })
    }

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
