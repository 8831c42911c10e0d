//! What came of logging in as the application would.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::ConnectError;
use pgmoor::endpoint::AuthMethod;

use crate::session::Session;

/// What came of logging in as the application would.
#[derive(Debug, Clone)]
pub struct Login {
    /// As whom, as far as it is known.
    pub user: String,
    /// The session, or why there is none.
    pub outcome: Result<LoggedIn, Arc<ConnectError>>,
    /// How long it took: addresses, connection, TLS and login.
    pub took: Duration,
}

/// A session as its login left it.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// As whom.
    pub user: String,
    /// The database.
    pub database: String,
    /// Host and address, for people.
    pub server: String,
    /// How the server asked for the proof of who we are.
    pub method: AuthMethod,
    /// The version of TLS, where there is TLS.
    pub tls: Option<&'static str>,
    /// As PostgreSQL counts: `150004` is 15.4; 0 when it is not told.
    pub version: u32,
    /// The server process that the login named, which a pooler makes up.
    pub pid: Option<i32>,
    /// What the server reported.
    pub parameters: Vec<(String, String)>,
}

impl LoggedIn {
    /// The version as the server reported it: "15.4 (Debian 15.4-1)".
    pub fn version_text(&self) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let version = parameters.find(|(name, _)| name == "server_version");
        version.map(|(_, text)| text.as_str())
    }

    pub(super) fn of(session: &Session) -> Self {
        Self {
            user: session.user.clone(),
            database: session.database.clone(),
            server: session.server.clone(),
            method: session.method,
            tls: session.tls.as_ref().map(|tls| tls.version),
            version: session.server_version,
            pid: session.pid,
            parameters: session.parameters.clone(),
        }
    }
}
