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
    /// The same as a picture, where it is a share of something.
    pub bar: Option<Bar>,
}

/// Shares of a whole: who has how many of something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Bar {
    /// The whole.
    pub total: u64,
    /// Who, and how many; together they may be more than there is.
    pub parts: Vec<Part>,
}

/// One share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Part {
    /// Who.
    pub name: &'static str,
    /// How many.
    pub value: u64,
}

impl Bar {
    /// Shares of `total`; what is less than nothing is nothing.
    pub fn new(total: i64, parts: &[(&'static str, i64)]) -> Self {
        let positive = |value: i64| u64::try_from(value).unwrap_or_default();
        let part = |(name, value): &(&'static str, i64)| Part {
            name,
            value: positive(*value),
        };
        Self {
            total: positive(total),
            parts: parts.iter().map(part).collect(),
        }
    }

    /// What nobody has.
    pub fn free(&self) -> u64 {
        let taken = self.parts.iter().map(|part| part.value).sum();
        self.total.saturating_sub(taken)
    }
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
        Self {
            grade,
            seen: seen.into(),
            hint: None,
            bar: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds a picture.
    #[must_use]
    pub fn bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
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
