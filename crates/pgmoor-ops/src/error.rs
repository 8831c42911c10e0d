//! Why the operator's work did not go on.

use std::error::Error as StdError;
use std::time::Duration;

use pgmoor::connector::ConnectError;
use pgmoor_wire::SqlState;

use crate::wire_session::WireError;

/// Why the operator's work did not go on. `act` is what was attempted, as a verb phrase: "read the
/// extensions".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No session was opened.
    #[error("cannot connect to {name}")]
    Connect {
        /// The endpoint or URL, without a password.
        name: String,
        /// Why.
        #[source]
        source: ConnectError,
    },
    /// The session that was opened does not speak as expected.
    #[error("cannot use the session on {server}")]
    Session {
        /// Host and address.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server refused a statement, or the session broke.
    #[error("cannot {act}")]
    Statement {
        /// What was attempted.
        act: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// It took too long; the server was asked to cancel it.
    #[error("cannot {act}: no answer within {limit:?}")]
    Timeout {
        /// What was attempted.
        act: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// What the server says of its objects is not of the form that is known.
    #[error("cannot understand the server's catalogue")]
    Catalogue {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An exchange of messages did not come to its end.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Error {
    /// What the server called it, where it was the server that refused.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Statement { source, .. } => SqlState::parse(source.code()?.code().as_bytes()),
            Self::Connect { source, .. } => source.report()?.sqlstate,
            Self::Wire(error) => error.sqlstate(),
            Self::Session { .. } | Self::Timeout { .. } | Self::Catalogue { .. } => None,
        }
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.is_retryable(),
            Self::Timeout { .. } | Self::Session { .. } => true,
            Self::Catalogue { .. } => false,
            Self::Statement { source, .. } => {
                source.is_closed() || self.sqlstate().is_some_and(is_passing)
            }
            Self::Wire(error) => error.is_transient(),
        }
    }

    /// What can be done about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } => source.hint(),
            Self::Session { .. } | Self::Statement { .. } | Self::Timeout { .. } => None,
            Self::Catalogue { .. } => None,
            Self::Wire(error) => error.hint(),
        }
    }
}

/// Whether a server says by this code that it may do the same later.
pub(crate) fn is_passing(code: SqlState) -> bool {
    matches!(code.class(), "08" | "40" | "53" | "57" | "55")
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = plain(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let part = plain(cause);
        // Some libraries repeat their cause in their own text.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = cause.source();
    }
    text
}

/// "Connection refused (os error 111)" is "connection refused" to people.
pub(crate) fn plain(error: &dyn StdError) -> String {
    let text = error.to_string();
    let Some((text, _)) = text.split_once(" (os error") else {
        return text;
    };
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}
