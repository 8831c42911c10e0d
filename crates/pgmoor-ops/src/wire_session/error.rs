//! Why an exchange with a server did not come to its end.

use std::fmt;
use std::io;
use std::time::Duration;

use pgmoor::connector::ConnectError;
use pgmoor_wire::backend::ErrorView;
use pgmoor_wire::frame::FrameError;
use pgmoor_wire::{DecodeError, EncodeError, SqlState};

/// No field is kept longer, in bytes: nobody reads more.
const MAX_FIELD: usize = 8 * 1024;

/// An error that a server answered with, with all that it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`.
    pub severity: String,
    /// Its code, if it sent a proper one.
    pub sqlstate: Option<SqlState>,
    /// What happened.
    pub message: String,
    /// What else there is to say; it may hold values of a row.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where it happened: `COPY runs, line 7, column id`.
    pub context: Option<String>,
}

impl ServerError {
    /// Reads the body of an ErrorResponse; what a server left out is missing.
    pub fn read(body: &[u8]) -> Self {
        let view = ErrorView::new(body);
        let clean = |text: &str| {
            let end = text.floor_char_boundary(MAX_FIELD);
            let plain = text[..end].chars();
            plain
                .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
                .collect::<String>()
        };
        let context = view.field(b'W').map(String::from_utf8_lossy);
        Self {
            severity: clean(&view.severity().unwrap_or_default()),
            sqlstate: view.sqlstate(),
            message: clean(&view.message()),
            detail: view.detail().map(|text| clean(&text)),
            hint: view.hint().map(|text| clean(&text)),
            context: context.map(|text| clean(&text)),
        }
    }

    /// Whether the server ends the session with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// Whether its code is this one.
    pub fn is(&self, code: &str) -> bool {
        self.sqlstate.is_some_and(|found| found.as_str() == code)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.message.as_str() {
            "" => "the server gave no message",
            message => message,
        })?;
        if let Some(code) = self.sqlstate {
            write!(f, " ({code})")?;
        }
        for more in [&self.detail, &self.context].into_iter().flatten() {
            write!(f, ": {more}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// Why an exchange with a server did not come to its end. After all of them but a [`Server`](Self::Server) that is not
/// [fatal](ServerError::is_fatal) the session is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// No session was opened.
    #[error("cannot connect to {name}")]
    Connect {
        /// The endpoint, without a password.
        name: String,
        /// Why.
        #[source]
        source: Box<ConnectError>,
    },
    /// The server refused.
    #[error(transparent)]
    Server(Box<ServerError>),
    /// The connection broke.
    #[error("the connection to {server} was lost")]
    Lost {
        /// Host and address.
        server: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server was silent for too long, or took nothing.
    #[error("no answer from {server} within {waited:?}")]
    Timeout {
        /// Host and address.
        server: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What came is not what the protocol has at this point.
    #[error("{server} broke the protocol: {problem}")]
    Protocol {
        /// Host and address.
        server: String,
        /// What is wrong.
        problem: String,
    },
    /// More came than is kept at once.
    #[error("{server} sent {bytes} bytes at once, more than {limit}")]
    TooLong {
        /// Host and address.
        server: String,
        /// How many.
        bytes: usize,
        /// How many are kept.
        limit: usize,
    },
    /// An earlier exchange was given up in its middle.
    #[error("the session on {server} is in the middle of another exchange")]
    Unfinished {
        /// Host and address.
        server: String,
    },
    /// The statement cannot be said in the protocol.
    #[error("cannot send the statement")]
    Encode(#[from] EncodeError),
}

impl WireError {
    /// What the server called it, where it was the server that refused.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server(error) => error.sqlstate,
            Self::Connect { source, .. } => source.report()?.sqlstate,
            Self::Lost { .. } | Self::Timeout { .. } | Self::Protocol { .. } => None,
            Self::TooLong { .. } | Self::Unfinished { .. } | Self::Encode(_) => None,
        }
    }

    /// What can be done about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Server(error) => error.hint.clone(),
            Self::Connect { source, .. } => source.hint(),
            Self::Lost { .. } | Self::Timeout { .. } | Self::Protocol { .. } => None,
            Self::TooLong { .. } | Self::Unfinished { .. } | Self::Encode(_) => None,
        }
    }

    /// Whether the same may succeed on a new session, as the server or the network was at fault for a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Timeout { .. } => true,
            Self::Server(error) => error
                .sqlstate
                .is_some_and(|code| matches!(code.class(), "08" | "40" | "53" | "57")),
            Self::Connect { .. } => true,
            Self::Protocol { .. } | Self::TooLong { .. } => false,
            Self::Unfinished { .. } | Self::Encode(_) => false,
        }
    }

    pub(super) fn frame(server: &str, error: FrameError) -> Self {
        Self::Protocol {
            server: server.to_owned(),
            problem: error.to_string(),
        }
    }

    pub(super) fn decode(server: &str, error: DecodeError) -> Self {
        Self::Protocol {
            server: server.to_owned(),
            problem: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pgmoor_wire::backend::ErrorFields;

    use super::*;

    #[test]
    fn an_error_is_told_with_detail_and_place_and_without_control_characters() {
        let mut message = Vec::new();
        ErrorFields::error(SqlState::PROTOCOL_VIOLATION, "no\x1b[31m")
            .detail("Key (id)=(1)")
            .hint("do it")
            .context("COPY runs, line 7")
            .write_error(&mut message);

        let error = ServerError::read(&message[5..]);

        assert_eq!(
            error.to_string(),
            "no [31m (08P01): Key (id)=(1): COPY runs, line 7"
        );
        assert_eq!(error.hint.as_deref(), Some("do it"));
        assert!(error.is("08P01"));
        assert_eq!(
            ServerError::read(b"").to_string(),
            "the server gave no message"
        );
    }
}
