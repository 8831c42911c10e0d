//! A fake PostgreSQL that plays the script of a test: any answer, any refusal, any death.

mod connection;
mod scram;
mod session;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

pub use connection::{Login, ScriptedConnection, Startup};
pub use session::Session;

use crate::channel::{Channel, PATIENCE};
use crate::host::private_dir;
use crate::stream::{Address, Socket};

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener whose connections the test answers by hand, or by a script for each.
pub struct ScriptedServer {
    listener: Listener,
    address: Address,
    tls: Option<Arc<ServerConfig>>,
    /// Where the Unix socket lives.
    _dir: Option<TempDir>,
}

impl ScriptedServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn tcp() -> ScriptedServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        ScriptedServer {
            address: Address::Tcp(listener.local_addr().expect("it has an address")),
            listener: Listener::Tcp(listener),
            tls: None,
            _dir: None,
        }
    }

    /// Listens on a Unix socket named as for port 5432, in a directory of its own.
    pub async fn unix() -> ScriptedServer {
        let dir = private_dir("fake");
        let path = dir.path().join(".s.PGSQL.5432");
        ScriptedServer {
            listener: Listener::Unix(UnixListener::bind(&path).expect("listen")),
            address: Address::Unix(path),
            tls: None,
            _dir: Some(dir),
        }
    }

    /// Accepts TLS; see [`server_config`](crate::server_config).
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> ScriptedServer {
        self.tls = Some(config);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The port, for addresses that are text.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next connection; nothing has been read from it.
    ///
    /// # Panics
    ///
    /// When nobody connects for ten seconds.
    pub async fn accept(&self) -> ScriptedConnection {
        match self.try_accept(PATIENCE).await {
            Some(connection) => connection,
            None => panic!("nobody connected to {} in {PATIENCE:?}", self.address),
        }
    }

    /// The next connection, if there is one in this time.
    pub async fn try_accept(&self, time: Duration) -> Option<ScriptedConnection> {
        let socket = timeout(time, self.accept_socket()).await.ok()?;
        let channel = Channel::new(socket.expect("accept"));
        Some(ScriptedConnection::new(channel, self.tls.clone()))
    }

    async fn accept_socket(&self) -> io::Result<Socket> {
        Ok(match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Listener::Unix(listener) => Socket::Unix(listener.accept().await?.0),
        })
    }

    /// Plays `script` with every connection that comes, until the result is dropped.
    pub fn serve<F, Fut>(self, script: F) -> Serving
    where
        F: Fn(ScriptedConnection) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let address = self.address();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            loop {
                tokio::select! {
                    socket = self.accept_socket() => {
                        let channel = Channel::new(socket.expect("accept"));
                        counter.fetch_add(1, Ordering::Relaxed);
                        scripts.spawn(script(ScriptedConnection::new(channel, self.tls.clone())));
                    }
                    Some(done) = scripts.join_next() => {
                        if let Err(failure) = done {
                            std::panic::resume_unwind(failure.into_panic());
                        }
                    }
                }
            }
        });
        Serving {
            address,
            accepted,
            task,
        }
    }
}

/// A server that plays its script; it stops when this is dropped.
pub struct Serving {
    address: Address,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The port, for addresses that are text.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Stops it.
    ///
    /// # Panics
    ///
    /// When a script has panicked, with what it said.
    pub async fn stop(mut self) {
        self.task.abort();
        if let Err(end) = (&mut self.task).await
            && end.is_panic()
        {
            std::panic::resume_unwind(end.into_panic());
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
