//! A Unix socket for this process alone, behind which everybody is logged in: for libraries that take no
//! stream, such as sqlx.
//!
//! ```no_run
//! # async fn example(connector: pgmoor::Connector) -> std::io::Result<()> {
//! let socket = pgmoor::adapter::LocalSocket::open(connector)?;
//! // sqlx::PgPool::connect(&socket.url()).await?
//! # Ok(())
//! # }
//! ```
//!
//! The library says what it wants in its startup message and is logged in without a password; it cannot
//! choose the user. Its parameters and its database are passed on, and so are its cancel requests.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmoor_wire::SqlState;
use pgmoor_wire::backend::ErrorFields;
use pgmoor_wire::startup::{self, Startup, StartupMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::Greeted;
use crate::connector::{CancelTarget, ConnectError, Connector, Login};
use crate::credential::chain;

/// More sessions at once than any pool has.
const MAX_SESSIONS: usize = 1_000;
/// The longest startup message that PostgreSQL takes (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST_STARTUP: usize = 10_000;
/// How long a library may take to say what it wants: it is in this process.
const GREETING: Duration = Duration::from_secs(10);
/// How long a login may take where the endpoint says nothing.
const LOGIN: Duration = Duration::from_secs(30);
/// How long the delivery of a cancel request may take.
const CANCEL: Duration = Duration::from_secs(5);
/// The port in the socket's name.
const PORT: u16 = 5432;

/// A socket that is served while this lives. Its sessions end with it.
#[derive(Debug)]
pub struct LocalSocket {
    directory: PathBuf,
    user: String,
    database: String,
    serving: JoinHandle<()>,
}

struct Shared {
    connector: Connector,
    /// What cancels the sessions that are open.
    targets: Mutex<HashMap<(i32, Vec<u8>), CancelTarget>>,
}

impl LocalSocket {
    /// Makes a socket in a new directory of the temporary one, which nobody else can enter, and serves it
    /// by a task of the current runtime.
    ///
    /// # Errors
    /// The directory or the socket cannot be made.
    pub fn open(connector: Connector) -> io::Result<Self> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let directory = std::env::temp_dir().join(format!("pgmoor-{number:016x}"));
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let listener = UnixListener::bind(directory.join(format!(".s.PGSQL.{PORT}")));
        let listener = listener.inspect_err(|_| remove(&directory))?;
        let (user, database) = (
            connector.user().to_owned(),
            connector.endpoint().dbname.clone(),
        );
        let shared = Arc::new(Shared {
            connector,
            targets: Mutex::default(),
        });
        Ok(Self {
            directory,
            database: database.unwrap_or_else(|| user.clone()),
            user,
            serving: tokio::spawn(serve(listener, shared)),
        })
    }

    /// The directory that stands for a host.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The port.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The address as a connection string.
    pub fn url(&self) -> String {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let directory = plain(&self.directory.display().to_string());
        let (user, database) = (plain(&self.user), plain(&self.database));
        format!("postgres://{user}@localhost:{PORT}/{database}?host={directory}&sslmode=disable")
    }

    /// The same as options of sqlx.
    #[cfg(feature = "sqlx")]
    pub fn sqlx(&self) -> ::sqlx::postgres::PgConnectOptions {
        ::sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .port(PORT)
            .username(&self.user)
            .database(&self.database)
            .ssl_mode(::sqlx::postgres::PgSslMode::Disable)
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        self.serving.abort();
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    // It is of no use to anybody any more, and in the temporary directory.
    let _ = std::fs::remove_dir_all(directory);
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(MAX_SESSIONS));
    // Sessions end with it.
    let mut sessions = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                sessions.spawn(async move {
                    if let Err(error) = shared.welcome(stream).await {
                        tracing::debug!(error = %chain(&error), "session of the local socket broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept on the local socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while sessions.try_join_next().is_some() {}
    }
}

impl Shared {
    fn targets(&self) -> MutexGuard<'_, HashMap<(i32, Vec<u8>), CancelTarget>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn welcome(&self, mut client: UnixStream) -> io::Result<()> {
        let own = rustix::process::geteuid().as_raw();
        if client.peer_cred()?.uid() != own {
            // Nobody else can enter the directory, but for root.
            return Ok(());
        }
        let hello = timeout(GREETING, hello(&mut client)).await;
        let (bytes, startup) = match hello {
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(hello) => match hello? {
                Some(hello) => hello,
                None => return Ok(()),
            },
        };
        match startup {
            Startup::Start(message) => self.session(client, &bytes, &message).await,
            Startup::Cancel { pid, secret } => {
                let target = self.targets().get(&(pid, secret)).cloned();
                if let Some(target) = target
                    && let Err(error) = target.cancel(Instant::now() + CANCEL).await
                {
                    tracing::debug!(error = %chain(&error), "cannot deliver cancel request");
                }
                Ok(())
            }
            Startup::Ssl | Startup::GssEnc => Ok(()),
        }
    }

    async fn session(
        &self,
        mut client: UnixStream,
        bytes: &[u8],
        message: &StartupMessage,
    ) -> io::Result<()> {
        let wanted = message.parameters.iter();
        let wanted = wanted.filter(|(name, _)| name != "user" && name != "database");
        let parameters: Vec<(String, String)> = wanted.cloned().collect();
        let database = message.get("database").filter(|name| !name.is_empty());
        let deadline = Instant::now() + self.connector.longest().unwrap_or(LOGIN);
        let connecting = self
            .connector
            .connect(Login::Endpoint, database, &parameters, deadline);
        let connection = match connecting.await {
            Ok(connection) => connection,
            Err(error) => return refuse(&mut client, &error).await,
        };
        let key = connection.key.clone();
        if let Some(key) = &key {
            self.targets()
                .insert(key.clone(), connection.cancel.clone());
        }
        let outcome = async {
            let mut server = Greeted::new(connection)?;
            server.write_all(bytes).await?;
            copy_bidirectional(&mut client, &mut server).await
        };
        let outcome = outcome.await;
        if let Some(key) = &key {
            self.targets().remove(key);
        }
        outcome.map(|_| ())
    }
}

/// The message that matters, and its bytes; none when the library leaves before.
async fn hello(client: &mut UnixStream) -> io::Result<Option<(Vec<u8>, Startup)>> {
    let mut received = Vec::new();
    loop {
        let parsed = startup::parse(&received, LONGEST_STARTUP);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        match parsed.map_err(invalid)? {
            // Who can read a process's memory needs no socket: there is nothing to encrypt.
            Some((Startup::Ssl | Startup::GssEnc, length)) => {
                received.drain(..length);
                client.write_all(b"N").await?;
            }
            Some((startup, length)) => {
                received.truncate(length);
                return Ok(Some((received, startup)));
            }
            None => {
                if client.read_buf(&mut received).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

/// Tells the library why there is no session.
async fn refuse(client: &mut UnixStream, error: &ConnectError) -> io::Result<()> {
    let code: SqlState = error.sqlstate();
    let mut fields = ErrorFields::fatal(code, chain(error));
    if let Some(hint) = error.hint() {
        fields = fields.hint(hint);
    }
    let mut out = Vec::new();
    fields.write_error(&mut out);
    client.write_all(&out).await?;
    client.shutdown().await
}
