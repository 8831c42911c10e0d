//! A session that is ready, as its opener gets it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelTarget;
use super::stage::Stage;
use crate::credential::Retired;
use crate::endpoint::AuthMethod;
use crate::stream::Stream;

/// A session that is ready for its first query.
pub struct Connection {
    /// The bytes.
    pub stream: Stream,
    /// The settings that the server reported, the last value of each.
    pub parameters: Vec<(String, String)>,
    /// What cancels the session.
    pub key: Option<(i32, Vec<u8>)>,
    /// Where to.
    pub cancel: CancelTarget,
    /// Bytes that came behind the first ReadyForQuery; almost always none.
    pub leftover: Vec<u8>,
    /// As PostgreSQL counts: `150004` is 15.4, `90624` is 9.6.24; 0 when it is not told.
    pub server_version: u32,
    /// The minor version of protocol 3 that was agreed on.
    pub protocol_minor: u16,
    /// How the server asked for the proof of who we are.
    pub method: AuthMethod,
    /// As whom the session runs.
    pub user: String,
    /// The database it is on, as asked for.
    pub database: String,
    /// Host and address, for people.
    pub server: String,
    /// Tells when it should be closed as soon as nothing runs on it, because its user is about to go.
    pub retired: Option<Arc<Retired>>,
    /// Whether TLS proved that the server is one that a trusted authority vouches for.
    pub is_verified: bool,
    /// How long each stage took, in the order in which they were begun; one that was gone through
    /// twice counts both times.
    pub took: Vec<(Stage, Duration)>,
}

impl fmt::Debug for Connection {
    /// Without the cancel key: who knows it can cancel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("pid", &self.key.as_ref().map(|(pid, _)| pid))
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
