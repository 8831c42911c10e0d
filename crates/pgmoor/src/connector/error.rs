//! Why there is no server connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgmoor_wire::scram::ScramError;

use super::report::ServerReport;
use super::stage::Stage;
use crate::credential::CredentialError;
use crate::tls::TlsError;

/// Why there is no server connection. `server` is the host and address that was tried.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("cannot resolve host \"{host}\"")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The socket did not connect.
    #[error("cannot connect to {server}")]
    Connect {
        /// Where to.
        server: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// It took too long.
    #[error("no answer from {server} within {waited:?} (while trying to {stage})")]
    Timeout {
        /// From whom.
        server: String,
        /// At what.
        stage: Stage,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection broke.
    #[error("connection to {server} was lost while trying to {stage}")]
    Lost {
        /// To whom.
        server: String,
        /// At what.
        stage: Stage,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The socket's server runs as another user than `requirepeer` says.
    #[error("{server} is run by uid {found}, not by \"{wanted}\" (requirepeer)")]
    WrongPeer {
        /// The socket.
        server: String,
        /// The user it should be.
        wanted: String,
        /// The user it is.
        found: u32,
    },
    /// The TLS settings cannot be used.
    #[error("cannot set up TLS for {server}")]
    TlsSetup {
        /// For whom.
        server: String,
        /// Why.
        #[source]
        source: Arc<TlsError>,
    },
    /// The server speaks no TLS.
    #[error("{server} does not speak TLS, and sslmode={mode} demands it")]
    TlsRefused {
        /// Which.
        server: String,
        /// The `sslmode`.
        mode: &'static str,
    },
    /// The answer to the request for TLS was an error, which anybody could have sent.
    #[error("{server} answered the request for TLS with an error")]
    TlsErrorAnswer {
        /// Which.
        server: String,
    },
    /// Bytes arrived before TLS that nobody vouches for.
    #[error("{server} sent bytes before TLS began: somebody may be in between")]
    BytesBeforeTls {
        /// Which.
        server: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with {server} failed")]
    TlsHandshake {
        /// With whom.
        server: String,
        /// Why; a [`rustls::Error`] is inside where it is TLS's own.
        #[source]
        source: Arc<io::Error>,
    },
    /// TLS began directly, and the server did not agree that PostgreSQL follows.
    #[error("{server} did not confirm the protocol \"postgresql\" for direct TLS")]
    NoAlpn {
        /// Which.
        server: String,
    },
    /// The server did not ask for the client certificate that it must ask for.
    #[error("{server} did not ask for a client certificate (sslcertmode=require)")]
    CertificateNotAsked {
        /// Which.
        server: String,
    },
    /// A token is not shown to a server that nobody vouches for.
    #[error("the token is not sent to {server}: the connection is {} (sslmode={mode})", if *.is_encrypted { "encrypted, but the server is not verified" } else { "not encrypted" })]
    ExposedToken {
        /// To whom.
        server: String,
        /// The `sslmode`.
        mode: &'static str,
        /// Whether there is TLS at all.
        is_encrypted: bool,
    },
    /// What is needed before the server can even be dialled could not be had.
    #[error("cannot prepare a connection to {server}")]
    Unprepared {
        /// Which.
        server: String,
        /// Why.
        #[source]
        source: CredentialError,
    },
    /// There is no credential.
    #[error("no credential for {server} as \"{user}\"")]
    Credential {
        /// For whom.
        server: String,
        /// As whom.
        user: String,
        /// Why.
        #[source]
        source: CredentialError,
    },
    /// The server asks for a password, and there is none.
    #[error("{server} asks for a password ({method}) of \"{user}\", and {}", if *.is_withheld { "the client certificate is all that is shown" } else { "there is none" })]
    NoPassword {
        /// Which.
        server: String,
        /// As whom.
        user: String,
        /// How it asks.
        method: &'static str,
        /// Whether none is to be shown.
        is_withheld: bool,
    },
    /// The server asks for a login that settings forbid, or that cannot be done with what we have.
    #[error("{server} {asks}, which {refused}")]
    AuthMethod {
        /// Which.
        server: String,
        /// What it does.
        asks: String,
        /// Why that is refused, as the end of a sentence.
        refused: String,
    },
    /// The SCRAM exchange failed.
    #[error("login at {server} as \"{user}\" failed")]
    Scram {
        /// Where.
        server: String,
        /// As whom.
        user: String,
        /// Why.
        #[source]
        source: ScramError,
    },
    /// The server answered with an error.
    #[error("{server} rejected the {} as \"{user}\"", if matches!(.stage, Stage::Auth) { "login" } else { "session" })]
    Server {
        /// Which.
        server: String,
        /// As whom.
        user: String,
        /// At what.
        stage: Stage,
        /// What to look at, when a credential was rejected whose provider knows that.
        advice: Option<String>,
        /// What it said.
        #[source]
        source: Box<ServerReport>,
    },
    /// What came is not PostgreSQL's protocol.
    #[error("{server} broke the protocol while trying to {stage}: {problem}")]
    Protocol {
        /// Who.
        server: String,
        /// At what.
        stage: Stage,
        /// How.
        problem: String,
    },
    /// A startup parameter cannot be sent.
    #[error("cannot send startup parameters: {problem}")]
    Startup {
        /// Why.
        problem: String,
    },
    /// The server is not of the sort that `target_session_attrs` wants.
    #[error("{server} is {found}, and target_session_attrs={wanted}")]
    WrongServer {
        /// Which.
        server: String,
        /// What is wanted.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The server is older than any that is served.
    #[error("{server} runs PostgreSQL {version}, which is too old: {} is the oldest that is served", super::version::OLDEST / 10_000)]
    TooOld {
        /// Which.
        server: String,
        /// Its version, as it says.
        version: String,
    },
    /// The session has no cancel key.
    #[error("{server} gave no key to cancel with")]
    NoCancelKey {
        /// Who.
        server: String,
    },
    /// Several were tried, and none would do.
    #[error("none of {} attempts succeeded: {}", .attempts.len(), list(.attempts))]
    All {
        /// How each of them failed, in the order tried.
        attempts: Vec<ConnectError>,
    },
}

fn list(attempts: &[ConnectError]) -> String {
    let each: Vec<String> = attempts.iter().map(one_line).collect();
    each.join("; ")
}

/// An error and its causes in one line.
fn one_line(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl ConnectError {
    /// What the server said, where it sent an error.
    pub fn report(&self) -> Option<&ServerReport> {
        match self {
            Self::Server { source, .. } => Some(source),
            Self::All { .. } => self.most_telling().and_then(Self::report),
            _ => None,
        }
    }

    /// Adds what to look at when it is a credential that was rejected.
    pub(super) fn advised(mut self, text: Option<&String>) -> Self {
        match &mut self {
            Self::Server { advice, .. } => *advice = text.cloned(),
            Self::All { attempts } => {
                let advised = std::mem::take(attempts).into_iter();
                *attempts = advised.map(|attempt| attempt.advised(text)).collect();
            }
            _ => {}
        }
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        super::hint::of(self)
    }

    /// Of several attempts the one that came farthest.
    pub(super) fn most_telling(&self) -> Option<&Self> {
        match self {
            // Reversed, because of equals the last is taken.
            Self::All { attempts } => attempts.iter().rev().max_by_key(|error| error.stage()),
            _ => None,
        }
    }
}
