//! The PG* variables and the two facts about the user that fill in what an address leaves open.
//!
//! It does not read the process environment: whoever may do so passes it in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the environment has to say; empty by default, so that nothing is inherited by accident.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
    os_user: Option<String>,
}

impl Environment {
    /// Takes the PG* variables and `HOME` out of a list of variables, such as `std::env::vars()`.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut this = Self::default();
        for (name, value) in variables {
            if name.starts_with("PG") {
                this.variables.insert(name, value);
            } else if name == "HOME" && !value.is_empty() {
                this.home = Some(PathBuf::from(value));
            }
        }
        this
    }

    /// Sets the home directory, where the default files are looked for.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the name of the operating system's user, the default of `user`.
    #[must_use]
    pub fn with_os_user(mut self, name: impl Into<String>) -> Self {
        self.os_user = Some(name.into());
        self
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The home directory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The name of the operating system's user.
    pub fn os_user(&self) -> Option<&str> {
        self.os_user.as_deref()
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: a value may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("os_user", &self.os_user)
            .finish()
    }
}
