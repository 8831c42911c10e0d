//! Why a task failed, as a person reads it: error, cause, hint.

use std::error::Error;

/// A task that failed: what, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("error: {what}{}{}", line("cause", .cause), line("hint", .hint))]
pub struct Failure {
    what: String,
    cause: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// What failed, to what: lower case, no full stop, values in quotes.
    pub fn new(what: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            cause: None,
            hint: None,
        }
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Failure {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

fn line(label: &str, text: &Option<String>) -> String {
    text.as_ref()
        .map_or_else(String::new, |text| format!("\n{label}: {text}"))
}

/// Says what was being done when an error came up.
pub trait Context<T> {
    /// Makes the error a cause of `what`.
    ///
    /// # Errors
    ///
    /// Exactly when there was one.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Error> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what()).because(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_as_error_cause_and_hint() {
        let failure = Failure::new("cannot install \"postgresql\"")
            .because("apt-get ended with exit code 100")
            .hint("run it again when the network is back");

        assert_eq!(
            failure.to_string(),
            "error: cannot install \"postgresql\"\n\
             cause: apt-get ended with exit code 100\n\
             hint: run it again when the network is back"
        );
    }
}
