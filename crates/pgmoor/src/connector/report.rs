//! An error that the server sent, as far as it is passed on.

use std::fmt;

use pgmoor_wire::backend::ErrorView;
use pgmoor_wire::{Secret, SqlState};

/// No field is kept longer: nobody reads more, and whoever sends more means no good.
const MAX_FIELD: usize = 1_000;

/// By these words a server refuses a login to a database that was moved away. What is behind them is the endpoint where
/// it is now.
pub const MOVED: &str = "was moved by pgmoor to endpoint ";

/// What PostgreSQL puts before and behind the name of a library that is not there.
const LIBRARY: (&str, &str) = ("could not access file \"$libdir/plugins/", "\": ");

/// An error that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// `FATAL`, `ERROR`, …
    pub severity: String,
    /// Its code, if it sent a proper one.
    pub sqlstate: Option<SqlState>,
    /// What happened.
    pub message: String,
    /// What else there is to say.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The routine of the server's source that said it: the same in every language; a pooler names none.
    pub routine: Option<String>,
}

impl ServerReport {
    /// Takes the fields over: bounded, without control characters, and with `***` where a server
    /// repeats the password that it was sent.
    pub(super) fn read(view: ErrorView<'_>, secret: Option<&Secret<String>>) -> Self {
        let clean = |text: &str| {
            let text = match secret.map(Secret::expose) {
                Some(secret) if !secret.is_empty() => text.replace(secret.as_str(), "***"),
                _ => text.to_owned(),
            };
            let bounded = text.chars().take(MAX_FIELD);
            let plain = bounded.map(|c| if c.is_control() { ' ' } else { c });
            plain.collect::<String>()
        };
        Self {
            severity: clean(&view.severity().unwrap_or_default()),
            sqlstate: view.sqlstate(),
            message: told(clean(&view.message())),
            detail: view.detail().map(|text| clean(&text)),
            hint: view.hint().map(|text| clean(&text)),
            routine: view
                .field(b'R')
                .map(|bytes| clean(&String::from_utf8_lossy(bytes))),
        }
    }

    /// The endpoint where the database is now, if it was moved away from this server.
    pub fn moved_to(&self) -> Option<&str> {
        let (_, endpoint) = self.message.split_once(MOVED)?;
        Some(endpoint)
    }

    /// Whether it says that this user may not log in like this.
    pub fn is_login_failure(&self) -> bool {
        self.sqlstate.is_some_and(|code| code.class() == "28")
    }

    /// Whether the same can succeed a little later: the server starts, stops, or is full.
    pub fn is_transient(&self) -> bool {
        self.sqlstate.is_some_and(|code| {
            matches!(code.class(), "53" | "57" | "58" | "08")
                && code != SqlState::PROTOCOL_VIOLATION
                && self.moved_to().is_none()
        })
    }
}

/// The fence of a moved database is a library that does not exist, whose name is the message.
fn told(message: String) -> String {
    if !message.contains(MOVED) {
        return message;
    }
    let (before, behind) = LIBRARY;
    let name = message
        .split_once(before)
        .map_or(message.as_str(), |(_, rest)| rest);
    let name = name.split_once(behind).map_or(name, |(name, _)| name);
    name.to_owned()
}

impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message.is_empty() {
            "no message"
        } else {
            &self.message
        })?;
        if let Some(code) = self.sqlstate {
            write!(f, " ({code})")?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServerReport {}

#[cfg(test)]
mod tests {
    use pgmoor_wire::backend::ErrorFields;

    use super::*;

    #[test]
    fn repeated_password_and_control_characters_are_blotted_out() {
        let mut message = Vec::new();
        ErrorFields::fatal(
            SqlState::INVALID_PASSWORD,
            "no\x1b[31m: \"geheim\" is wrong",
        )
        .write_error(&mut message);

        let secret = Secret::from("geheim");
        let report = ServerReport::read(ErrorView::new(&message[5..]), Some(&secret));

        assert_eq!(report.to_string(), "no [31m: \"***\" is wrong (28P01)");
        assert!(report.is_login_failure());
        assert!(!report.is_transient());
    }
}
