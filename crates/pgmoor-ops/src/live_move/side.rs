//! One of the two servers of a move, and how sessions at it are opened.

use std::time::Duration;

use pgmoor::connector::Connector;
use tokio::time::Instant;

use crate::error::Error;
use crate::session::Session;
use crate::wire_session::WireSession;

/// How long opening a session may take.
const OPEN: Duration = Duration::from_secs(30);

/// A database at a server: one of the two sides of a move.
#[derive(Debug, Clone)]
pub struct Side {
    /// The endpoint, as the configuration calls it.
    pub endpoint: String,
    /// What opens sessions there.
    pub connector: Connector,
    /// The database there.
    pub dbname: String,
}

impl Side {
    /// A session for statements.
    ///
    /// # Errors
    /// [`Error::Connect`] mostly.
    pub async fn session(&self) -> Result<Session, Error> {
        let deadline = Instant::now() + OPEN;
        let parameters = parameters("pgmoor move");
        let session = Session::open(
            &self.connector,
            &self.endpoint,
            Some(&self.dbname),
            &parameters,
            deadline,
        )
        .await?;
        if let Some(sql) = newer(session.server_version) {
            let set = session.client().batch_execute(sql);
            session.within("prepare the session", OPEN, set).await?;
        }
        Ok(session)
    }

    /// A session that speaks messages itself.
    ///
    /// # Errors
    /// [`Error::Connect`] mostly.
    pub async fn wire(&self, does: &str) -> Result<WireSession, Error> {
        let mut session = self
            .open(parameters(&format!("pgmoor move {does}")))
            .await?;
        if let Some(sql) = newer(session.server_version) {
            session.query(sql).await?;
        }
        Ok(session)
    }

    /// A session with a process that sends the log.
    ///
    /// # Errors
    /// [`Error::Connect`] mostly.
    pub async fn replication(&self) -> Result<WireSession, Error> {
        let mut parameters = parameters("pgmoor move changes");
        parameters.push(("replication".to_owned(), "database".to_owned()));
        self.open(parameters).await
    }

    async fn open(&self, parameters: Vec<(String, String)>) -> Result<WireSession, Error> {
        let deadline = Instant::now() + OPEN;
        let (connector, name) = (&self.connector, &self.endpoint);
        let session = WireSession::open(connector, name, Some(&self.dbname), &parameters, deadline);
        Ok(session.await?)
    }
}

/// What every session of a move sets: nothing ends it for its length, values have one written form, and a fence
/// ([`fence`](super::fence)) lets it in.
fn parameters(application_name: &str) -> Vec<(String, String)> {
    let pairs = [
        ("application_name", application_name),
        ("client_encoding", "UTF8"),
        ("local_preload_libraries", ""),
        ("default_transaction_read_only", "off"),
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("search_path", "pg_catalog"),
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("xmlbinary", "base64"),
        ("row_security", "off"),
        ("synchronous_commit", "on"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

/// What older versions do not know as a parameter of the startup message.
fn newer(server_version: u32) -> Option<&'static str> {
    match server_version {
        170_000.. => Some("set transaction_timeout = 0; set idle_session_timeout = 0"),
        140_000.. => Some("set idle_session_timeout = 0"),
        _ => None,
    }
}
