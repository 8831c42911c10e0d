//! The usual case in one call: log in as the endpoint says, in reasonable time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{ConnectError, Connection, Connector, Login};
use crate::credential::NoCredential;
use crate::endpoint::Endpoint;

/// How long a login may take where the endpoint says nothing.
const USUAL: Duration = Duration::from_secs(30);

impl Connector {
    /// Logs in as the endpoint's own user, by its credential, to its own database. It takes as long as
    /// `connect_timeout` allows for all addresses, or 30 seconds.
    ///
    /// Cancel safe: dropping the future closes whatever was open.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn log_in(&self) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + self.longest().unwrap_or(USUAL);
        self.connect(Login::Endpoint, None, &[], deadline).await
    }
}

impl Endpoint {
    /// Connects and logs in, with the password of the endpoint itself or of the passfile, as libpq does.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = "postgres://app@db.example.com/app?sslmode=verify-full&sslrootcert=system";
    /// let connection = pgmoor::Endpoint::parse(url)?.connect().await?;
    /// println!("{} at {}", connection.user, connection.server);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// For any other credential make a [`Connector`] with its provider.
    ///
    /// # Errors
    /// As [`Connector::new`] and [`Connector::connect`].
    pub async fn connect(self) -> Result<Connection, ConnectError> {
        let connector = Connector::new(self, Arc::new(NoCredential))?;
        connector.log_in().await
    }
}
