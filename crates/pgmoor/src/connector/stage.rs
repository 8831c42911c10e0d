//! How far a connection had come, when something went wrong or took its time.

use std::fmt;

/// How far a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Finding the host's addresses.
    Dns,
    /// Waiting for the credential's provider.
    Credential,
    /// Connecting the socket.
    Tcp,
    /// Agreeing on TLS.
    Tls,
    /// Logging in.
    Auth,
    /// Between the login and the server being ready.
    Startup,
    /// Asking a connection what sort of server it is on.
    Target,
    /// Sending a cancel request.
    Cancel,
}

impl Stage {
    /// The stage as one word, for programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Credential => "credential",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Startup => "startup",
            Self::Target => "target",
            Self::Cancel => "cancel",
        }
    }

    /// What is done in this stage, as a verb phrase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "resolve",
            Self::Credential => "get a credential",
            Self::Tcp => "connect",
            Self::Tls => "agree on TLS",
            Self::Auth => "log in",
            Self::Startup => "start a session",
            Self::Target => "ask for the server's role",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
