//! What the reader of a configuration has to say about it.

use pgmoor::settings::{Origin, Problem};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// How something was understood.
    Note,
    /// What has no place in the result: to be done by hand.
    NotCarried,
    /// What is wrong in the original, and how it was taken.
    Wrong,
    /// What cannot be taken at all: there is no result.
    Refused,
}

impl Severity {
    /// The word for it, for people and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::NotCarried => "not carried",
            Self::Wrong => "wrong",
            Self::Refused => "refused",
        }
    }
}

/// One thing that was found, where, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is. Never has a secret in it.
    pub problem: Problem,
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn note(&mut self, origin: &Origin, what: impl Into<String>) -> &mut Problem {
        self.add(Severity::Note, origin, what)
    }

    pub(super) fn not_carried(&mut self, origin: &Origin, what: impl Into<String>) -> &mut Problem {
        self.add(Severity::NotCarried, origin, what)
    }

    pub(super) fn wrong(&mut self, origin: &Origin, what: impl Into<String>) -> &mut Problem {
        self.add(Severity::Wrong, origin, what)
    }

    pub(super) fn refused(&mut self, origin: &Origin, what: impl Into<String>) -> &mut Problem {
        self.add(Severity::Refused, origin, what)
    }

    fn add(
        &mut self,
        severity: Severity,
        origin: &Origin,
        what: impl Into<String>,
    ) -> &mut Problem {
        self.push(severity, Problem::new(origin, what))
    }

    pub(super) fn push(&mut self, severity: Severity, problem: Problem) -> &mut Problem {
        self.0.push(Finding { severity, problem });
        let last = self.0.last_mut().expect("was pushed just now");
        &mut last.problem
    }

    /// In the order of the files, each thing once.
    pub(super) fn in_order(mut self, paths: &[&std::path::Path]) -> Vec<Finding> {
        let place = |finding: &Finding| match &finding.problem.origin {
            Origin::File { path, line, column } => {
                let file = paths.iter().position(|known| *known == &**path);
                (file.unwrap_or(paths.len()), *line, *column)
            }
            Origin::Environment { .. } | Origin::Default => (usize::MAX, 0, 0),
        };
        self.0.sort_by_key(place);
        let mut once: Vec<Finding> = Vec::new();
        for finding in self.0 {
            if !once.contains(&finding) {
                once.push(finding);
            }
        }
        once
    }
}

/// Says why and what to do, of a problem that is in its list already.
pub(super) trait Explain {
    fn why(&mut self, cause: impl Into<String>) -> &mut Self;
    fn then(&mut self, hint: impl Into<String>) -> &mut Self;
}

impl Explain for Problem {
    fn why(&mut self, cause: impl Into<String>) -> &mut Self {
        self.cause = Some(cause.into());
        self
    }

    fn then(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }
}
