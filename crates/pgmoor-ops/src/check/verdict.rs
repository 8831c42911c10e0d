//! What a check says: a verdict with what it saw and what to type, or why it says nothing.

use crate::facts::Unread;

/// A check's answer, or why it has none.
pub type Outcome = Result<Verdict, Skip>;

/// A check's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it is.
    pub grade: Grade,
    /// What was seen, as a sentence without a full stop; never a secret.
    pub seen: String,
    /// What to do: what to type, where that can be said.
    pub hint: Option<String>,
}

/// How good what a check saw is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Pass,
    /// It works, and will hurt some day.
    Warn,
    /// It does not work, or must not be.
    Fail,
}

/// Why a check has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// What it would look at could not be had, because something before it failed.
    NoGround,
    /// There is nothing to look at, or it could not be read; with the reason.
    Because(String),
}

impl From<&Unread> for Skip {
    fn from(unread: &Unread) -> Self {
        match unread {
            Unread::NoGround => Self::NoGround,
            Unread::NotApplicable(_) | Unread::Failed(_) => Self::Because(unread.to_string()),
        }
    }
}

impl Verdict {
    fn new(grade: Grade, seen: impl Into<String>) -> Self {
        let (seen, hint) = (seen.into(), None);
        Self { grade, seen, hint }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint_text(self, hint: &str) -> Self {
        self.hint(hint.to_owned())
    }
}

/// As it should be.
pub(super) fn pass(seen: impl Into<String>) -> Verdict {
    Verdict::new(Grade::Pass, seen)
}

/// It works, and will hurt some day.
pub(super) fn warn(seen: impl Into<String>) -> Verdict {
    Verdict::new(Grade::Warn, seen)
}

/// It does not work, or must not be.
pub(super) fn fail(seen: impl Into<String>) -> Verdict {
    Verdict::new(Grade::Fail, seen)
}

/// No answer, for this reason.
///
/// # Errors
/// Always.
pub(super) fn skip<T>(reason: impl Into<String>) -> Result<T, Skip> {
    Err(Skip::Because(reason.into()))
}
