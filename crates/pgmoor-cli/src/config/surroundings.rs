//! What the process was given by whoever started it: variables and the current directory.

use std::env;
use std::path::PathBuf;

use pgmoor::settings::PREFIX;

/// What the process was given; tests give something else.
pub(crate) struct Surroundings {
    /// Every environment variable that is text.
    pub(crate) variables: Vec<(String, String)>,
    /// The names of those of ours whose value is no text.
    pub(crate) unreadable: Vec<String>,
    /// The current directory.
    pub(crate) directory: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let mut variables = Vec::new();
        let mut unreadable = Vec::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if name.starts_with(PREFIX) => unreadable.push(name),
                // Whatever it is, it is not for us.
                Err(_) => {}
            }
        }
        Self {
            variables,
            unreadable,
            directory: env::current_dir().unwrap_or_default(),
        }
    }

    /// The variables that may be keys; those of pgmoor's own tests are none.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (String, String)> {
        self.variables
            .iter()
            .filter(|(name, _)| !name.starts_with("PGMOOR_TEST_"))
            .cloned()
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables
            .iter()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| value.clone())
    }
}
