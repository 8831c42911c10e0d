//! Tells the service manager what becomes of this process, as systemd's `sd_notify` does.
//!
//! Where `NOTIFY_SOCKET` is not set nobody asked, and nothing is sent. It does not keep a watchdog.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::warn;

/// The variable with the manager's socket: a path, or a name that begins with `@`.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// What a service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Clients are served.
    Ready,
    /// It stops, as it was told to.
    Stopping,
}

impl News {
    fn text(self) -> &'static str {
        match self {
            Self::Ready => "READY=1\nSTATUS=clients are served",
            Self::Stopping => "STOPPING=1\nSTATUS=clients may finish their transactions",
        }
    }
}

/// Sends it; a manager that cannot be told is in the log, and ends nothing.
pub(crate) fn tell(news: News) {
    let Some(socket) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, news.text()) {
        warn!(
            %error,
            socket = %socket.display(),
            ?news,
            "cannot tell the service manager; it may take this service for one that does not start"
        );
    }
}

fn send(socket: &OsStr, text: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    // A manager that does not read is not waited for.
    datagram.set_nonblocking(true)?;
    match socket.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => connect_abstract(&datagram, name)?,
        None => datagram.connect(socket)?,
    }
    datagram.send(text.as_bytes()).map(drop)
}

#[cfg(target_os = "linux")]
fn connect_abstract(datagram: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    datagram.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only Linux has sockets without a path",
    ))
}
