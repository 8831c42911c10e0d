//! What is wrong with a configuration, in words a person can act on.

use std::fmt;

use super::node::Origin;

/// One thing wrong, where, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, without a full stop.
    pub what: String,
    /// Why, when that is not the same.
    pub cause: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The environment variable that is not set, when that is what is wrong.
    pub missing_variable: Option<Box<str>>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(origin: &Origin, what: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            what: what.into(),
            cause: None,
            hint: None,
            missing_variable: None,
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds the advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The `error:` line's text: the place, then what is wrong.
    pub fn headline(&self) -> String {
        match &self.origin {
            Origin::Default => self.what.clone(),
            Origin::File { .. } | Origin::Environment { .. } => {
                format!("{}: {}", self.origin, self.what)
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.headline())?;
        if let Some(cause) = &self.cause {
            write!(f, "\ncause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything wrong with one configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// The name nearest to what was typed, if one is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let slips = (typed.chars().count() / 4).max(1);
    known
        .into_iter()
        .filter_map(|name| {
            let likeness = strsim::jaro_winkler(&typed, &name.to_lowercase());
            // A slip in a short word ("lgo") leaves little likeness, but is a slip all the same.
            let is_slip = strsim::osa_distance(&typed, &name.to_lowercase()) <= slips;
            (is_slip || likeness > 0.75).then_some((likeness + f64::from(u8::from(is_slip)), name))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
