//! Addresses of a host, and sockets to them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::error::ConnectError;
use super::site::Site;
use super::stage::Stage;
use crate::endpoint::Host;
use crate::stream::{KeepAlive, Peer, Stream};

/// Where a socket connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Host and address as people want to read them.
    pub(super) fn describe(&self, host: &Host) -> String {
        match self {
            Self::Unix(_) => format!("socket {host}"),
            Self::Tcp(address) => {
                let resolved = host.address().is_none();
                if resolved {
                    format!("{host} ({})", address.ip())
                } else {
                    host.to_string()
                }
            }
        }
    }
}

/// All addresses of a host, in the resolver's order.
pub(super) async fn resolve(host: &Host, site: &Site) -> Result<Vec<Address>, ConnectError> {
    if let Some(path) = host.socket_path() {
        return Ok(vec![Address::Unix(path)]);
    }
    if let Some(address) = host.address() {
        return Ok(vec![Address::Tcp(SocketAddr::new(address, host.port))]);
    }
    let name = host.name().unwrap_or_default();
    let failed = |source| ConnectError::Resolve {
        host: name.to_owned(),
        source: Arc::new(source),
    };
    let looking = async {
        let found = tokio::net::lookup_host((name, host.port))
            .await
            .map_err(failed)?;
        let mut addresses: Vec<Address> = Vec::new();
        for address in found.map(Address::Tcp) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(failed(io::Error::new(
                io::ErrorKind::NotFound,
                "it has no address",
            )));
        }
        Ok(addresses)
    };
    site.within(Stage::Dns, looking).await
}

/// Connects a socket, within `patience` when there is another address to go to.
pub(super) async fn dial(
    address: &Address,
    keepalive: &KeepAlive,
    site: &Site,
    patience: Option<Duration>,
) -> Result<Stream, ConnectError> {
    let connecting = async {
        let stream = match address {
            Address::Tcp(address) => Stream::tcp(TcpStream::connect(address).await?)?,
            Address::Unix(path) => Stream::unix(connect_unix(&kernel_path(path)).await?)?,
        };
        stream.set_keepalive(keepalive)?;
        Ok(stream)
    };
    let deadline = patience.map_or(site.deadline, |patience| {
        site.deadline.min(Instant::now() + patience)
    });
    site.until(deadline, Stage::Tcp, async {
        connecting
            .await
            .map_err(|source: io::Error| ConnectError::Connect {
                server: site.server.clone(),
                source: Arc::new(source),
            })
    })
    .await
}

/// A Unix socket whose queue is full refuses at once where TCP would wait: so wait here.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let mut pause = Duration::from_millis(1);
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
            outcome => return outcome,
        }
    }
}

/// A leading `@` stands for the NUL byte of an abstract name.
fn kernel_path(path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes().split_first() {
        Some((b'@', rest)) => {
            let name = [&[0], rest].concat();
            PathBuf::from(std::ffi::OsString::from_vec(name))
        }
        _ => path.to_owned(),
    }
}

/// Checks that the socket's server runs as the user that `requirepeer` names.
pub(super) fn check_peer(stream: &Stream, wanted: &str, site: &Site) -> Result<(), ConnectError> {
    let Peer::Unix { uid, .. } = *stream.peer() else {
        return Ok(());
    };
    if user_id(wanted) == Some(uid) {
        return Ok(());
    }
    Err(ConnectError::WrongPeer {
        server: site.server.clone(),
        wanted: wanted.to_owned(),
        found: uid,
    })
}

/// The number of an operating system's user: our own, one of `/etc/passwd`, or a number itself.
fn user_id(name: &str) -> Option<u32> {
    if whoami::username().is_ok_and(|own| own == name) {
        return Some(rustix::process::geteuid().as_raw());
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    listed.or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        assert_eq!(user_id("root"), Some(0));
        assert_eq!(user_id("12345"), Some(12345));
        assert_eq!(user_id("no such user"), None);
        let own = whoami::username().expect("name");
        assert_eq!(user_id(&own), Some(rustix::process::geteuid().as_raw()));
    }

    #[test]
    fn at_sign_stands_for_an_abstract_name() {
        let path = kernel_path(Path::new("@pg/.s.PGSQL.5432"));
        assert_eq!(path.as_os_str().as_bytes(), b"\0pg/.s.PGSQL.5432");
        assert_eq!(kernel_path(Path::new("/run/pg")), Path::new("/run/pg"));
    }

    #[tokio::test]
    async fn full_queue_of_a_socket_is_waited_for() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("socket");
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("socket");
        listener
            .bind(&SockAddr::unix(&path).expect("path"))
            .expect("bind");
        listener.listen(0).expect("listen");
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
        }
        let site = Site::new("test".to_owned(), Instant::now() + Duration::from_secs(20));
        let address = Address::Unix(path);
        let keepalive = KeepAlive::default();

        let (dialled, accepted) = tokio::join!(
            dial(&address, &keepalive, &site, None),
            tokio::task::spawn_blocking(move || {
                let accepted: Vec<_> = (0..2).map(|_| listener.accept()).collect();
                (listener, accepted)
            }),
        );

        assert!(dialled.is_ok(), "{dialled:?}");
        drop((waiting, accepted));
    }
}
