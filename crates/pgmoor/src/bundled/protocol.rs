//! What a gateway and the keeper process say to each other: one JSON value a line, over a Unix
//! socket in a directory that only the server's user may enter.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::settings::KeeperCommand;

/// Longer lines than this are no message of ours.
const MAX_LINE: u64 = 1 << 20;

/// The first line on standard input of the hidden command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Keep a server; the rest of standard input is the first lease.
    Keep(Box<Plan>),
    /// Become a program that is ended when its parent goes.
    Become(Become),
}

/// All that a keeper needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) data_dir: PathBuf,
    pub(crate) bin_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
    pub(crate) port: u16,
    pub(crate) tcp: bool,
    /// Files to write into the data directory: name and content.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) linger_ms: u64,
    pub(crate) stop_timeout_ms: u64,
    /// The hidden command, to start the server through.
    pub(crate) command: KeeperCommand,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Become {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) parent: u32,
}

/// What a gateway says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Keep the server up for as long as this connection lasts.
    Lease,
    /// Tell how it is, and close.
    Status,
    /// This gateway leaves; when it is the last, do not wait for another.
    Release,
}

/// What a keeper says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Report {
    Hello(Hello),
    State(ServerState),
    /// The answer to [`Request::Release`] while others hold a lease.
    Kept {
        leases: usize,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) keeper_pid: u32,
    pub(crate) socket_dir: PathBuf,
    pub(crate) port: u16,
    pub(crate) tcp: bool,
    pub(crate) leases: usize,
}

/// How a bundled server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ServerState {
    /// It is starting, perhaps replaying its log after a crash.
    Starting,
    /// It takes connections.
    Ready {
        /// The process id of its main process.
        pid: u32,
    },
    /// It broke off, and is started again.
    Recovering {
        /// What happened.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// It is shutting down.
    Stopping,
    /// It is down, and stays so until it is started again.
    Stopped {
        /// Why.
        reason: String,
        /// The last lines of its log, when it did not stop in peace.
        log: Vec<String>,
    },
}

/// Reads one message; `None` at the end.
///
/// Not cancel safe: a half-read line is lost.
pub(crate) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    serde_json::from_slice(&line)
        .map(Some)
        .map_err(io::Error::from)
}

/// Writes one message.
pub(crate) async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}
