//! Listening sockets: bound before anything else, shared by the workers, fit to be handed over.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgmoor::stream::{KeepAlive, Stream};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::settings::GatewaySettings;

/// How many connections the kernel may hold for a listener.
const BACKLOG: i32 = 4096;

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    socket: Socket,
}

/// A listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// Where it was to be.
    pub address: Address,
    /// Why it cannot.
    #[source]
    pub source: io::Error,
}

impl BindError {
    /// What can be done about it.
    pub fn hint(&self) -> String {
        match (self.source.kind(), &self.address) {
            (io::ErrorKind::AddrInUse, Address::Tcp(address)) => format!(
                "another program listens there (see `ss -ltnp 'sport = :{}'`); stop it, or set gateway.listen",
                address.port()
            ),
            (io::ErrorKind::AddrInUse, Address::Unix(_)) => {
                "another pgmoor or PostgreSQL serves this socket; stop it, or set gateway.unix_sockets".into()
            }
            (io::ErrorKind::PermissionDenied, Address::Tcp(_)) => "ports below 1024 need privileges".into(),
            (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, Address::Unix(_)) => "the directory is not writable; set gateway.unix_sockets".into(),
            (io::ErrorKind::StorageFull, Address::Unix(_)) => "the disk is full".into(),
            (io::ErrorKind::AddrNotAvailable, _) => "no network interface of this machine has that address".into(),
            _ => String::new(),
        }
    }
}

/// Binds what the settings say: one TCP listener for each worker and address, so that the kernel
/// spreads clients; Unix sockets are shared.
///
/// # Errors
///
/// [`BindError`] for the first address that cannot be had. Nothing stays bound then.
pub fn bind(settings: &GatewaySettings, workers: usize) -> Result<Vec<Vec<Listener>>, BindError> {
    bind_rest(settings, (0..workers).map(|_| Vec::new()).collect())
}

/// Binds what the settings say and `listeners`, those of each worker, do not have yet.
///
/// # Errors
///
/// As [`bind`].
pub fn bind_rest(
    settings: &GatewaySettings,
    mut listeners: Vec<Vec<Listener>>,
) -> Result<Vec<Vec<Listener>>, BindError> {
    let known: Vec<Address> = listeners
        .iter()
        .flatten()
        .map(|listener| listener.address.clone())
        .collect();
    let port = settings.listen.first().map_or(6432, SocketAddr::port);
    for &address in &settings.listen {
        if known.contains(&Address::Tcp(address)) {
            continue;
        }
        // Probed without sharing first: SO_REUSEPORT would silently join another program's port.
        let fail = |source| BindError {
            address: Address::Tcp(address),
            source,
        };
        let mut address = address;
        drop(tcp(address).map_err(fail)?);
        for own in &mut listeners {
            let socket = listening(address, &settings.keepalive()).map_err(fail)?;
            if let Some(bound) = socket.local_addr().map_err(fail)?.as_socket() {
                // Port 0 was chosen by the kernel, once for all workers.
                address = bound;
            }
            own.push(Listener {
                address: Address::Tcp(address),
                socket,
            });
        }
    }
    for directory in &settings.unix_sockets {
        let path = directory.join(format!(".s.PGSQL.{port}"));
        if known.contains(&Address::Unix(path.clone())) {
            continue;
        }
        let fail = |source| BindError {
            address: Address::Unix(path.clone()),
            source,
        };
        let socket = unix(&path).map_err(fail)?;
        for own in &mut listeners {
            own.push(Listener {
                address: Address::Unix(path.clone()),
                socket: socket.try_clone().map_err(fail)?,
            });
        }
    }
    Ok(listeners)
}

/// A socket that has `address` for itself.
fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = unbound(address)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A socket that shares `address` with those of the other workers.
fn listening(address: SocketAddr, keepalive: &KeepAlive) -> io::Result<Socket> {
    let socket = unbound(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    keepalive.bequeath(socket.as_fd())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<Socket> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    // Nobody listens there: it was left by a process that was killed.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // As PostgreSQL's own: who may connect is a matter of the login, or of the directory.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

impl Listener {
    /// Takes over a socket that listens already.
    pub fn adopt(address: Address, socket: std::os::fd::OwnedFd) -> Self {
        Self {
            address,
            socket: socket.into(),
        }
    }

    /// The same socket once more.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            address: self.address.clone(),
            socket: self.socket.try_clone()?,
        })
    }

    /// Has the current event loop watch it.
    pub(crate) fn watch(self) -> io::Result<Accepted> {
        match self.address {
            Address::Tcp(_) => TcpListener::from_std(self.socket.into()).map(Accepted::Tcp),
            Address::Unix(_) => UnixListener::from_std(self.socket.into()).map(Accepted::Unix),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listener that an event loop watches.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepted {
    /// The next client, and the number of its descriptor.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, usize)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                let number = number(&socket);
                Ok((Stream::accepted(socket, peer), number))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                let number = number(&socket);
                Ok((Stream::unix(socket)?, number))
            }
        }
    }

    /// Clients that connect from now on get these options.
    pub(crate) fn set_keepalive(&self, keepalive: &KeepAlive) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => keepalive.bequeath(listener.as_fd()),
            Self::Unix(_) => Ok(()),
        }
    }

    /// The number that the next descriptor gets; `None` when there is none.
    pub(crate) fn next_number(&self) -> Option<usize> {
        let copy = match self {
            Self::Tcp(listener) => rustix::io::fcntl_dupfd_cloexec(listener, 0),
            Self::Unix(listener) => rustix::io::fcntl_dupfd_cloexec(listener, 0),
        };
        copy.ok().map(|copy| number(&copy))
    }
}

fn number(descriptor: &impl AsRawFd) -> usize {
    usize::try_from(descriptor.as_raw_fd()).unwrap_or(usize::MAX)
}
