//! What will be done to a server: steps, each with its statements and what takes it back.

use serde::Serialize;

/// One act: all of its statements take effect, or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Step {
    /// What it does, as a verb phrase.
    pub title: String,
    /// The database that its statements run in; none where it is about roles and databases, for which any
    /// will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The statements, without secrets and without a semicolon at the end of the last; one begins on each
    /// line.
    pub sql: String,
    /// The statements that take it back; none where that is not wanted or not possible.
    pub undo: Option<String>,
    /// The role that gets its password with this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_of: Option<String>,
}

/// Steps in their order, and what they go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Differs where what was found differs: an apply of a plan that went by something else is refused.
    pub fingerprint: String,
    /// What is there already.
    pub present: Vec<String>,
    /// What will be done.
    pub steps: Vec<Step>,
    /// What is left to others, or to be known about what will be done.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The roles that get a password.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        self.steps
            .iter()
            .filter_map(|step| step.password_of.as_deref())
    }
}

/// Statements of one step, one on each line.
pub fn statements(all: &[String]) -> String {
    all.join(";\n")
}
