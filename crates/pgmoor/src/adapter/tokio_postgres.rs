//! A [`Connection`] as a client of the crate [`tokio-postgres`](::tokio_postgres).
//!
//! ```no_run
//! # async fn example(connector: pgmoor::connector::Connector) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, Instant};
//! use pgmoor::{adapter::tokio_postgres, connector::Login};
//!
//! let deadline = Instant::now() + Duration::from_secs(10);
//! let connection = connector.connect(Login::Endpoint, None, &[], deadline).await?;
//! let (client, driver) = tokio_postgres::client(connection).await?;
//! tokio::spawn(driver);
//! let row = client.query_one("select current_user", &[]).await?;
//! # Ok(())
//! # }
//! ```

use ::tokio_postgres::config::SslMode;
use ::tokio_postgres::tls::NoTlsStream;
use ::tokio_postgres::{Client, Config, NoTls};

use super::Greeted;
use crate::connector::Connection;

/// What moves the bytes of a [`Client`]: to be spawned or polled beside it. It ends when the client is
/// dropped or the connection breaks.
pub type Driver = ::tokio_postgres::Connection<Greeted, NoTlsStream>;

/// Makes a client of a session that is logged in. To cancel what it runs, keep
/// [`Connection::cancel`]: the client's own token does not know the way to the server.
///
/// # Errors
/// What the server reported at the login is not what the library understands.
pub async fn client(
    connection: Connection,
) -> Result<(Client, Driver), Box<dyn std::error::Error + Send + Sync>> {
    let mut config = Config::new();
    // Both are said in the startup message, which goes nowhere.
    config.user(&connection.user).ssl_mode(SslMode::Disable);
    let greeted = Greeted::new(connection)?;
    Ok(config.connect_raw(greeted, NoTls).await?)
}
