//! From one pgmoor process to the next without a refused connection.
//!
//! ```text
//!   successor                       predecessor
//!   ── "listeners" ───────────────▶
//!   ◀── the listening sockets ─────   both accept from here on; what is paused or was switched
//!       and the traffic's state       is not changed any more
//!   ── "ready" ───────────────────▶   accepts no more; its clients finish
//!   ── "cancel ID KEY" ───────────▶   for clients that are still there
//!   ◀── end of the line ───────────   the last client has left
//! ```
//!
//! The sockets themselves change hands, so a connection that waits in the kernel is lost to
//! neither. If the successor fails before it is ready, the predecessor goes on as if nothing had
//! happened.
//!
//! The successor serves each database from where the predecessor does. A paused one is not handed
//! over: its clients would wait where nobody can resume them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::gateway::Gateway;
use crate::letter::{Letter, MAX_SOCKETS, read_address, read_line, receive, refuse, send_sockets};
use crate::listener::{Address, Listener};
use crate::predecessor::{DELIVERED, Predecessor, read_cancel};
use crate::traffic::{Standing, Traffic};

/// How long the other process may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The name of the socket in the state directory.
pub const SOCKET: &str = "handover.sock";

/// Handing over did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The socket in the state directory.
    #[error("cannot use {path}")]
    Socket {
        /// Which socket.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The other process does not do its part.
    #[error("the running pgmoor does not hand over its sockets")]
    Peer(#[source] io::Error),
    /// The other process has a reason.
    #[error("the running pgmoor cannot be followed now: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// More than the kernel passes on.
    #[error("{count} listening sockets are more than can be handed over")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl HandoverError {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "pgmoor resume lets its clients go on; then take over",
            Self::Socket { .. } | Self::Peer(_) | Self::TooMany { .. } => {
                "stop it with TERM, then start this one"
            }
        }
    }
}

/// The sockets that are offered; none once the offer is taken back. As long as they are here, the
/// kernel accepts connections for them.
type Offered = Arc<Mutex<Option<Vec<Listener>>>>;

/// The predecessor's side: waits for a successor.
#[derive(Debug)]
pub struct Waiting {
    path: PathBuf,
    offered: Offered,
    ready: oneshot::Receiver<UnixStream>,
}

impl Waiting {
    /// Offers these sockets to a successor. One that waited at the same path is replaced.
    ///
    /// # Errors
    ///
    /// [`HandoverError::Socket`].
    pub fn offer(
        state_dir: &Path,
        listeners: Vec<Listener>,
        traffic: Traffic,
    ) -> Result<Self, HandoverError> {
        let path = state_dir.join(SOCKET);
        let fail = |source| HandoverError::Socket {
            path: path.clone(),
            source,
        };
        // Bound under another name and renamed: at no moment is there nobody to ask.
        let own = state_dir.join(format!("{SOCKET}.{}", std::process::id()));
        let _ = fs::remove_file(&own);
        let socket = UnixListener::bind(&own).map_err(fail)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).map_err(fail)?;
        fs::rename(&own, &path).map_err(fail)?;
        let (sender, ready) = oneshot::channel();
        let offered = Arc::new(Mutex::new(Some(listeners)));
        let shared = offered.clone();
        thread::Builder::new()
            .name("handover".into())
            .spawn(move || wait_for_successor(&socket, &shared, &traffic, sender))
            .map_err(fail)?;
        Ok(Self {
            path,
            offered,
            ready,
        })
    }

    /// Waits until a successor serves clients on the same sockets.
    ///
    /// Cancel safe.
    pub async fn succeeded(&mut self) -> Succession {
        match (&mut self.ready).await {
            Ok(line) => Succession(line),
            // The thread ends only after it has sent, or with the process.
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes the offer back: from here on the sockets are closed when the gateway closes them.
    pub fn withdraw(self) {
        drop(
            self.offered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let _ = fs::remove_file(&self.path);
    }
}

fn wait_for_successor(
    socket: &UnixListener,
    offered: &Offered,
    traffic: &Traffic,
    ready: oneshot::Sender<UnixStream>,
) {
    loop {
        let line = match socket.accept() {
            Ok((line, _)) => line,
            Err(error) => {
                warn!(%error, "nobody can take over from this process");
                return;
            }
        };
        match hand_over(&line, offered, traffic) {
            Ok(true) => {
                let _ = ready.send(line);
                return;
            }
            Ok(false) => {}
            Err(error) => warn!(%error, "a successor did not take over"),
        }
    }
}

/// Whether a successor took over.
fn hand_over(line: &UnixStream, offered: &Offered, traffic: &Traffic) -> io::Result<bool> {
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    let peer = rustix::net::sockopt::socket_peercred(line).ok();
    let own = rustix::process::geteuid();
    if peer.is_some_and(|peer| peer.uid != own && !peer.uid.is_root()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    match read_line(line)?.as_str() {
        "listeners" => {}
        // Somebody only looked whether there is anybody.
        "" => return Ok(false),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    match traffic.freeze() {
        Ok(databases) => {
            let outcome = pass_on(line, offered, databases);
            if !matches!(outcome, Ok(true)) {
                traffic.thaw();
            }
            outcome
        }
        Err(reason) => {
            warn!(reason, "a successor cannot take over now");
            refuse(line, reason)?;
            Ok(false)
        }
    }
}

/// Gives the sockets away; nobody changes the traffic meanwhile.
fn pass_on(
    line: &UnixStream,
    offered: &Offered,
    databases: BTreeMap<String, Standing>,
) -> io::Result<bool> {
    match &*offered.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(listeners) => send_sockets(line, listeners, databases)?,
        // This process ends already, and the sockets with it.
        None => return Err(io::ErrorKind::NotConnected.into()),
    }
    // The successor starts its endpoints first; a silent one is given up when its process ends.
    line.set_read_timeout(None)?;
    if read_line(line)? == "ready" {
        offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok(true)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A successor serves clients; this process has only its own left.
#[derive(Debug)]
pub struct Succession(UnixStream);

impl Succession {
    /// Passes cancel requests that reach the successor on to this process's clients, until it ends.
    pub fn serve_cancels(self, gateway: &Gateway) {
        let shared = gateway.shared();
        let spawned = thread::Builder::new()
            .name("handover-cancels".into())
            .spawn(move || {
                while let Ok(text) = read_line(&self.0) {
                    let Some((id, key)) = read_cancel(&text) else {
                        return;
                    };
                    // What it was meant for, or an error where there is nothing to cancel.
                    let _ = shared.cancel(id, key).blocking_recv();
                    let mut line = &self.0;
                    if line.write_all(format!("{DELIVERED}\n").as_bytes()).is_err() {
                        return;
                    }
                }
            });
        if let Err(error) = spawned {
            warn!(%error, "cancel requests of clients that are left will not reach them");
        }
    }
}

/// The successor's side: sockets that another process still accepts on, too.
#[derive(Debug)]
pub struct Inheritance {
    /// The process that they come from.
    pub pid: u32,
    /// Where it serves its databases from.
    pub databases: BTreeMap<String, Standing>,
    listeners: Vec<Listener>,
    line: UnixStream,
}

impl Inheritance {
    /// Whether a pgmoor runs on this state directory.
    pub fn is_there(state_dir: &Path) -> bool {
        UnixStream::connect(state_dir.join(SOCKET)).is_ok()
    }

    /// Asks the pgmoor that runs on this state directory for its sockets; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`HandoverError`] when there is one and it does not do its part.
    pub fn claim(state_dir: &Path) -> Result<Option<Self>, HandoverError> {
        let path = state_dir.join(SOCKET);
        let line = match UnixStream::connect(&path) {
            Ok(line) => line,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(source) => return Err(HandoverError::Socket { path, source }),
        };
        let ask = || {
            line.set_read_timeout(Some(PATIENCE))?;
            line.set_write_timeout(Some(PATIENCE))?;
            receive(&line)
        };
        let (letter, sockets) = ask().map_err(HandoverError::Peer)?;
        if let Some(reason) = letter.refused {
            return Err(HandoverError::Refused { reason });
        }
        adopt(letter, sockets, line)
            .map(Some)
            .map_err(HandoverError::Peer)
    }

    /// The sockets for so many workers. All of them have to be served: the kernel goes on spreading
    /// connections over them.
    pub fn listeners(&mut self, workers: usize) -> Vec<Vec<Listener>> {
        let mut shares: Vec<Vec<Listener>> = (0..workers.max(1)).map(|_| Vec::new()).collect();
        let mut next: HashMap<String, usize> = HashMap::new();
        for listener in self.listeners.drain(..) {
            let turn = next.entry(listener.address.to_string()).or_default();
            shares[*turn % workers.max(1)].push(listener);
            *turn += 1;
        }
        shares
    }

    /// Tells the predecessor that clients are served here; its clients' cancel requests are passed
    /// on to it from now on.
    ///
    /// # Errors
    ///
    /// It is gone already, which is as well.
    pub fn ready(self, gateway: &Gateway) -> io::Result<()> {
        (&self.line).write_all(b"ready\n")?;
        self.line.set_write_timeout(Some(PATIENCE))?;
        self.line.set_read_timeout(Some(PATIENCE))?;
        let predecessor = Predecessor::new(self.pid, self.line)?;
        gateway.shared().set_predecessor(predecessor);
        info!(pid = self.pid, "took over from the running pgmoor");
        Ok(())
    }
}

fn adopt(letter: Letter, sockets: Vec<OwnedFd>, line: UnixStream) -> io::Result<Inheritance> {
    if letter.addresses.len() != sockets.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let listeners = letter
        .addresses
        .iter()
        .zip(sockets)
        .map(|(address, socket)| {
            read_address(address).map(|address| Listener::adopt(address, socket))
        })
        .collect::<Option<_>>()
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(Inheritance {
        pid: letter.pid,
        databases: letter.databases,
        listeners,
        line,
    })
}

/// Copies of the listeners, to be offered to a successor.
///
/// # Errors
///
/// There are too many, or no descriptors are left.
pub fn copies(listeners: &[Vec<Listener>]) -> Result<Vec<Listener>, HandoverError> {
    let mut copies: Vec<Listener> = Vec::new();
    for listener in listeners.iter().flatten() {
        let is_shared = matches!(listener.address, Address::Unix(_));
        if is_shared && copies.iter().any(|copy| copy.address == listener.address) {
            // One socket, whatever the number of workers.
            continue;
        }
        copies.push(listener.try_clone().map_err(HandoverError::Peer)?);
    }
    if copies.len() > MAX_SOCKETS {
        return Err(HandoverError::TooMany {
            count: copies.len(),
        });
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crate::settings::GatewaySettings;

    /// One without workers, which serves nobody.
    fn gateway(directory: &Path) -> Gateway {
        let configuration = Configuration {
            gateway: GatewaySettings {
                state_dir: directory.join("state"),
                ..GatewaySettings::default()
            },
            databases: BTreeMap::default(),
            endpoints: BTreeMap::default(),
            unprepared: Default::default(),
        };
        Gateway::start(configuration, Vec::new()).expect("a gateway")
    }

    #[tokio::test]
    async fn sockets_change_hands_and_the_predecessor_hears_when_all_is_ready() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket =
            socket2::Socket::from(std::net::TcpListener::bind("127.0.0.1:0").expect("bind"));
        let address = socket
            .local_addr()
            .expect("address")
            .as_socket()
            .expect("TCP");
        let listener = Listener::adopt(Address::Tcp(address), socket.into());
        let traffic = gateway(directory.path()).traffic();
        let mut waiting = Waiting::offer(directory.path(), vec![listener], traffic).expect("offer");

        let inheritance = Inheritance::claim(directory.path())
            .expect("claim")
            .expect("somebody is there");

        assert_eq!(inheritance.pid, std::process::id());
        let Address::Tcp(inherited) = inheritance.listeners[0].address else {
            panic!("TCP")
        };
        assert_eq!(inherited, address);
        (&inheritance.line)
            .write_all(b"ready\n")
            .expect("say ready");
        waiting.succeeded().await;
    }

    #[tokio::test]
    async fn a_successor_that_fails_leaves_the_predecessor_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let traffic = gateway(directory.path()).traffic();
        let mut waiting = Waiting::offer(directory.path(), Vec::new(), traffic).expect("offer");

        drop(Inheritance::claim(directory.path()).expect("claim"));
        let second = Inheritance::claim(directory.path())
            .expect("claim")
            .expect("still there");
        (&second.line).write_all(b"ready\n").expect("say ready");

        waiting.succeeded().await;
    }
}
