//! One session for the operator's work, opened as the gateway opens its own.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use pgmoor::adapter::tokio_postgres::client;
use pgmoor::connector::{CancelTarget, Connector, Login};
use pgmoor::endpoint::AuthMethod;
use pgmoor::tls::TlsInfo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use crate::error::Error;

/// How long a server may take to note that a statement is to be cancelled.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// One session at a server. It ends when it is dropped, and what it ran with it.
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    cancel: CancelTarget,
    /// As PostgreSQL counts: `150004` is 15.4; 0 when it is not told.
    pub server_version: u32,
    /// As whom it runs.
    pub user: String,
    /// The database it is on.
    pub database: String,
    /// Host and address, for people.
    pub server: String,
    /// What TLS agreed on, where there is TLS.
    pub tls: Option<TlsInfo>,
    /// What the server reported at the login.
    pub parameters: Vec<(String, String)>,
    /// How the server asked for the proof of who we are.
    pub method: AuthMethod,
    /// The server process, as the login named it; a pooler names one that does not exist.
    pub pid: Option<i32>,
}

impl Session {
    /// Opens a session by `connector`, which people know as `name`, on its own database unless another
    /// is given. `parameters` are startup parameters.
    ///
    /// # Errors
    /// [`Error::Connect`] mostly.
    pub async fn open(
        connector: &Connector,
        name: &str,
        database: Option<&str>,
        parameters: &[(String, String)],
        deadline: Instant,
    ) -> Result<Self, Error> {
        let connecting = connector.connect(Login::Endpoint, database, parameters, deadline);
        let connection = connecting.await.map_err(|source| Error::Connect {
            name: name.to_owned(),
            source,
        })?;
        let server = connection.server.clone();
        let (cancel, server_version) = (connection.cancel.clone(), connection.server_version);
        let (user, database) = (connection.user.clone(), connection.database.clone());
        let tls = connection.stream.tls().cloned();
        let parameters = connection.parameters.clone();
        let method = connection.method;
        let pid = connection.key.as_ref().map(|(pid, _)| *pid);
        let (client, driver) = client(connection).await.map_err(|source| Error::Session {
            server: server.clone(),
            source: source.into(),
        })?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.await {
                // Whoever waits for an answer is told by the client.
                tracing::debug!(%error, "session of the operator's work ended");
            }
        });
        Ok(Self {
            client,
            driver,
            cancel,
            server_version,
            user,
            database,
            server,
            tls,
            parameters,
            method,
            pid,
        })
    }

    /// The client; what runs through it has no deadline but those of the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client, for transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Waits for `work` on this session, at most `limit`; then the server is asked to cancel what runs.
    /// `act` is a verb phrase.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Timeout`].
    pub async fn within<T>(
        &self,
        act: &str,
        limit: Duration,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        match timeout(limit, work).await {
            Ok(outcome) => outcome.map_err(|source| Error::Statement {
                act: act.to_owned(),
                source,
            }),
            Err(_) => {
                let _ = self.cancel.cancel(Instant::now() + CANCEL_WITHIN).await;
                let act = act.to_owned();
                Err(Error::Timeout { act, limit })
            }
        }
    }

    /// What cancels what runs here.
    pub fn cancel_target(&self) -> CancelTarget {
        self.cancel.clone()
    }

    /// Ends the session and waits until the last word has been said, for a moment.
    pub async fn close(self) {
        let Self { client, driver, .. } = self;
        drop(client);
        let _ = timeout(CANCEL_WITHIN, driver).await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("server", &self.server)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
