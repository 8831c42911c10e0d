//! Why a client is not let in, as it is told.

use std::io;
use std::time::Duration;

use pgmoor_wire::backend::ErrorFields;
use pgmoor_wire::sqlstate::{self, SqlState};

/// Why a client is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It went away, or its connection broke: nobody is there to be told.
    #[error("the client went away")]
    Gone(#[source] Option<io::Error>),
    /// It is told this and disconnected.
    #[error("{message}")]
    Told {
        sqlstate: SqlState,
        message: String,
        hint: String,
        /// For the log, not for the client.
        detail: String,
    },
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Gone(Some(error))
    }
}

impl Refusal {
    pub(crate) fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::Told {
            sqlstate,
            message: message.into(),
            hint: String::new(),
            detail: String::new(),
        }
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(sqlstate::PROTOCOL_VIOLATION, message)
    }

    /// The same words for a wrong password, an unknown user, and everything else that a guesser
    /// should not be able to tell apart.
    pub(crate) fn login_failed(user: &str, detail: impl Into<String>) -> Self {
        Self::new(
            sqlstate::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        )
        .because(detail)
    }

    /// As the server does at the end of its authentication_timeout.
    pub(crate) fn too_slow(limit: Duration) -> Self {
        Self::new(
            sqlstate::QUERY_CANCELED,
            format!(
                "the login took longer than gateway.login_timeout ({} s)",
                limit.as_secs_f32()
            ),
        )
    }

    /// What the client can do about it.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { hint, .. } = &mut self {
            *hint = text.into();
        }
        self
    }

    /// What only the log says.
    pub(crate) fn because(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { detail, .. } = &mut self {
            *detail = text.into();
        }
        self
    }

    /// The ErrorResponse for the client, if there is somebody to be told.
    pub(crate) fn message(&self) -> Option<Vec<u8>> {
        let Self::Told {
            sqlstate,
            message,
            hint,
            ..
        } = self
        else {
            return None;
        };
        let mut fields = ErrorFields::fatal(*sqlstate, message.as_str());
        if !hint.is_empty() {
            fields = fields.hint(hint.as_str());
        }
        let mut out = Vec::new();
        fields.write_error(&mut out);
        Some(out)
    }
}
