//! Why there is no credential. No variant carries a secret or the text of one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::token::{FailureCause, TokenError};
use crate::error::{ErrorKind, Side};
use crate::secret_file::SecretFileError;

/// Why there is no credential.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The password file cannot be had.
    #[error("cannot read password file")]
    File(#[source] Arc<SecretFileError>),
    /// The content cannot be a password.
    #[error("{origin} {problem}")]
    Content {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The passfile cannot be read.
    #[error("cannot read passfile {}", .path.display())]
    Passfile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The command cannot be started.
    #[error("cannot start credential command {program:?}")]
    Start {
        /// Its first word.
        program: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The command ended with a failure.
    #[error("credential command {program:?} failed with {status}{}", .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Failed {
        /// Its first word.
        program: String,
        /// How it ended.
        status: String,
        /// The last line it wrote to its standard error.
        said: Option<String>,
    },
    /// The command took too long and was ended.
    #[error("credential command {program:?} gave no answer within {timeout:?}")]
    Timeout {
        /// Its first word.
        program: String,
        /// How long it had.
        timeout: Duration,
    },
    /// The credential that was given is expired already.
    #[error("credential from {origin} has expired")]
    Expired {
        /// Where it came from.
        origin: String,
    },
    /// The token source gave nothing.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It failed a moment ago and is not tried again yet.
    #[error("no new credential is asked for within {wait:?} after a failure")]
    BackOff {
        /// How long until the next try.
        wait: Duration,
        /// The failure.
        #[source]
        source: Box<CredentialError>,
    },
}

impl CredentialError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Credential
    }

    /// Why, as coarse as metrics and back-off need it.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::File(_) | Self::Passfile { .. } | Self::Start { .. } => {
                FailureCause::Configuration
            }
            Self::Content { .. } => FailureCause::Malformed,
            Self::Failed { .. } => FailureCause::Unavailable,
            Self::Timeout { .. } => FailureCause::Timeout,
            Self::Expired { .. } => FailureCause::Expired,
            Self::Token(error) => error.cause(),
            Self::BackOff { source, .. } => source.cause(),
        }
    }

    /// Whether the trouble may be gone the next moment, and nobody asked to wait.
    pub(super) fn may_pass_at_once(&self) -> bool {
        let cause = self.cause();
        let passes = matches!(
            cause,
            FailureCause::Unavailable | FailureCause::Network | FailureCause::Malformed
        );
        passes && self.retry_after().is_none()
    }

    /// How long whoever issues credentials asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_after(),
            _ => None,
        }
    }

    /// On whose side the cause lies.
    pub fn side(&self) -> Side {
        Side::Here
    }

    /// Whether the same request can succeed later without a change of configuration.
    pub fn is_retryable(&self) -> bool {
        match self {
            // Files are mounted late, and rotated.
            Self::File(_) | Self::Content { .. } | Self::Passfile { .. } => true,
            Self::Failed { .. } | Self::Timeout { .. } => true,
            Self::Expired { .. } => true,
            Self::Token(error) => error.cause().is_transient(),
            Self::Start { .. } => false,
            Self::BackOff { source, .. } => source.is_retryable(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Content { .. } => {
                Some("write the password alone into it, as one line of UTF-8".to_owned())
            }
            Self::Passfile { path, .. } => {
                Some(format!("run: chmod 0600 {}", path.display()))
            }
            Self::Start { .. } => Some(
                "give the program by its full path; no shell is involved, each word is one argument"
                    .to_owned(),
            ),
            Self::Failed { program, .. } => {
                Some(format!("run {program:?} by hand as the user that pgmoor runs as"))
            }
            Self::Timeout { .. } => Some("run it by hand, or allow it more time".to_owned()),
            Self::Expired { .. } => Some("check the clock of this host".to_owned()),
            Self::Token(error) => error.advice().map(str::to_owned),
            Self::BackOff { source, .. } => source.hint(),
        }
    }
}
