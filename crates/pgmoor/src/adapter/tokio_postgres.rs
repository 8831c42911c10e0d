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

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio_postgres::config::SslMode;
use ::tokio_postgres::tls::NoTlsStream;
use ::tokio_postgres::{Client, Config, Error, NoTls};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Greeted;
use crate::connector::{Connection, Connector};

/// What moves the bytes of a [`Client`]: to be spawned or polled beside it. It ends when the client is
/// dropped or the connection breaks.
pub type Driver = ::tokio_postgres::Connection<Greeted, NoTlsStream>;

/// Makes a client of a session that is logged in. To cancel what it runs, keep
/// [`Connection::cancel`]: the client's own token does not know the way to the server.
///
/// # Errors
/// What the server reported at the login is not what the library understands.
pub async fn client(connection: Connection) -> Result<(Client, Driver), Error> {
    let mut config = Config::new();
    // Both are said in the startup message, which goes nowhere.
    config.user(&connection.user).ssl_mode(SslMode::Disable);
    match Greeted::new(connection) {
        Ok(greeted) => config.connect_raw(greeted, NoTls).await,
        Err(error) => Err(failure(error).await),
    }
}

/// Logs in and makes a client of the session, whose bytes are moved by a task of its own. It ends when the
/// client is dropped.
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use pgmoor::{Connector, Endpoint, adapter::tokio_postgres, credential::NoCredential};
///
/// let connector = Connector::new(Endpoint::parse(url)?, Arc::new(NoCredential))?;
/// let client = tokio_postgres::log_in(&connector).await?;
/// let row = client.query_one("select current_user", &[]).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The [`ConnectError`](crate::connector::ConnectError) is in the chain of causes.
pub async fn log_in(connector: &Connector) -> Result<Client, Error> {
    let (client, driver) = open(connector).await?;
    tokio::spawn(driver);
    Ok(client)
}

/// Logs in and makes a client of the session.
pub(super) async fn open(connector: &Connector) -> Result<(Client, Driver), Error> {
    match connector.log_in().await {
        Ok(connection) => client(connection).await,
        Err(error) => Err(failure(io::Error::other(error)).await),
    }
}

/// An error of the library's own kind, which only the library makes: it meets this one on a stream.
async fn failure(error: io::Error) -> Error {
    let mut config = Config::new();
    config.user("nobody").ssl_mode(SslMode::Disable);
    let met = config.connect_raw(Broken(Some(error)), NoTls).await;
    met.err().expect("nothing can be read or written")
}

/// A stream on which an error waits.
struct Broken(Option<io::Error>);

impl Broken {
    fn meet<T>(&mut self) -> Poll<io::Result<T>> {
        let met = self.0.take();
        Poll::Ready(Err(met.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }
}

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meet()
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.meet()
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
