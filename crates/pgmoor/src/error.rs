//! What every error of this crate can be asked: what kind it is, and on whose side.

use std::fmt;

/// What went wrong, as coarse as a caller can act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A setting, or a file it names, is wrong.
    Configuration,
    /// The credential could not be had.
    Credential,
    /// A host name has no address.
    Dns,
    /// No connection came about, or it broke.
    Network,
    /// It took longer than allowed.
    Timeout,
    /// TLS did not come about, or the server is not trusted.
    Tls,
    /// The login was rejected, by the server or, when it did not prove itself, by us.
    Authentication,
    /// The server answered with an error after (or without) a login.
    Server,
    /// The server is not of the wanted sort (`target_session_attrs`).
    WrongServer,
    /// What the server says is not PostgreSQL's protocol.
    Protocol,
}

/// On whose side the cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// This host and its configuration.
    Here,
    /// What lies between.
    Network,
    /// The server.
    Server,
}

impl ErrorKind {
    /// The kind as one word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Credential => "credential",
            Self::Dns => "dns",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Authentication => "authentication",
            Self::Server => "server",
            Self::WrongServer => "wrong_server",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
