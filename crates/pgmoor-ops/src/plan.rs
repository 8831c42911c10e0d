//! What will be done to a server: steps, each with its statement and what takes it back.

use serde::Serialize;

/// Where a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In whichever database the login is in: it is about roles and databases.
    Server,
    /// In the database that the plan is about.
    Database,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Step {
    /// What it does, as a verb phrase.
    pub title: String,
    /// Where its statement runs.
    pub place: Place,
    /// The statement, without secrets.
    pub sql: String,
    /// The statement that takes it back; none where it is not wanted or not possible.
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
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether a step gives a role a password.
    pub fn needs_password(&self) -> bool {
        self.steps.iter().any(|step| step.password_of.is_some())
    }
}
