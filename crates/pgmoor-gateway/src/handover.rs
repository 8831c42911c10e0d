//! From one pgmoor process to the next without a refused connection.
//!
//! ```text
//!   successor                       predecessor
//!   ── "listeners" ───────────────▶
//!   ◀── the listening sockets ─────   both accept from here on
//!   ── "ready" ───────────────────▶   accepts no more; its clients finish
//!   ── "cancel ID KEY" ───────────▶   for clients that are still there
//!   ◀── end of the line ───────────   the last client has left
//! ```
//!
//! The sockets themselves change hands, so a connection that waits in the kernel is lost to
//! neither. If the successor fails before it is ready, the predecessor goes on as if nothing had
//! happened.

use std::collections::HashMap;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::gateway::Gateway;
use crate::listener::{Address, Listener};
use crate::predecessor::{Predecessor, read_cancel};

/// How long the other process may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel passes no more descriptors in one message.
const MAX_SOCKETS: usize = 253;
/// Addresses of that many sockets, with room to spare, in bytes.
const MAX_LETTER: usize = 64 << 10;
/// A cancel key has at most 256 bytes, twice that in hexadecimal.
const MAX_LINE: usize = 1024;

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
    /// More than the kernel passes on.
    #[error("{count} listening sockets are more than can be handed over")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// What is written beside the sockets: an address for each one, in their order.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    pid: u32,
    addresses: Vec<String>,
}

fn write_address(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("tcp:{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn read_address(text: &str) -> Option<Address> {
    match text.split_once(':')? {
        ("tcp", address) => address.parse().ok().map(Address::Tcp),
        ("unix", path) => Some(Address::Unix(path.into())),
        _ => None,
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
    pub fn offer(state_dir: &Path, listeners: Vec<Listener>) -> Result<Self, HandoverError> {
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
            .spawn(move || wait_for_successor(&socket, &shared, sender))
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
        match hand_over(&line, offered) {
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
fn hand_over(line: &UnixStream, offered: &Offered) -> io::Result<bool> {
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
    match &*offered.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(listeners) => send_sockets(line, listeners)?,
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

fn send_sockets(line: &UnixStream, listeners: &[Listener]) -> io::Result<()> {
    let letter = Letter {
        pid: std::process::id(),
        addresses: listeners
            .iter()
            .map(|listener| write_address(&listener.address))
            .collect(),
    };
    let text = serde_json::to_vec(&letter)?;
    let sockets: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    let sent = sendmsg(
        line,
        &[IoSlice::new(&text)],
        &mut control,
        SendFlags::empty(),
    )?;
    let mut stream = line;
    stream.write_all(&text[sent..])?;
    stream.write_all(b"\n")
}

/// One line, byte by byte: what follows it is somebody else's.
fn read_line(mut line: &UnixStream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while line.read(&mut byte)? == 1 && byte[0] != b'\n' {
        text.push(byte[0]);
        if text.len() > MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into())
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
                    // The client of the successor is told that all is done when the successor is.
                    drop(shared.cancel(id, key));
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
        receive(line).map(Some).map_err(HandoverError::Peer)
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
        gateway
            .shared()
            .set_predecessor(Predecessor::new(self.line));
        info!(pid = self.pid, "took over from the running pgmoor");
        Ok(())
    }
}

fn receive(line: UnixStream) -> io::Result<Inheritance> {
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    (&line).write_all(b"listeners\n")?;
    let mut text = vec![0; MAX_LETTER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        &line,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let sockets: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        })
        .flatten()
        .collect();
    text.truncate(received.bytes);
    if text.last() == Some(&b'\n') {
        text.pop();
    } else if received.bytes > 0 {
        text.extend_from_slice(read_line(&line)?.as_bytes());
    }
    let letter: Letter = serde_json::from_slice(&text)?;
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
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn addresses_survive_the_letter() {
        for address in [
            Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 5))),
            Address::Tcp("[::1]:5".parse().expect("an address")),
            Address::Unix("/run/x:y/.s.PGSQL.1".into()),
        ] {
            assert_eq!(read_address(&write_address(&address)), Some(address));
        }
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
        let mut waiting = Waiting::offer(directory.path(), vec![listener]).expect("offer");

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
        let mut waiting = Waiting::offer(directory.path(), Vec::new()).expect("offer");

        drop(Inheritance::claim(directory.path()).expect("claim"));
        let second = Inheritance::claim(directory.path())
            .expect("claim")
            .expect("still there");
        (&second.line).write_all(b"ready\n").expect("say ready");

        waiting.succeeded().await;
    }
}
