//! What the network says of each host: its addresses, whether they take connections, and what answers.
//!
//! Nothing is sent but PostgreSQL's request for TLS, and a line break where that is not answered.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use pgmoor::endpoint::{Endpoint, Host};
use pgmoor::stream::Stream;
use pgmoor_wire::startup;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

/// How long a server may think about the request for TLS before something else is tried.
const THOUGHT: Duration = Duration::from_secs(2);
/// Addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 8;

/// What the network says of each host, in the address' order.
#[derive(Debug, Clone)]
pub struct Network {
    /// The hosts.
    pub hosts: Vec<HostFacts>,
}

/// What the network says of one host.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Host and port, for people.
    pub host: String,
    /// The name that was resolved; none for an address or a socket.
    pub name: Option<String>,
    /// Its addresses, and how long it took to find them; or why there are none.
    pub resolved: Result<Duration, Unresolved>,
    /// What each of them says.
    pub addresses: Vec<AddressFacts>,
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What the resolver said.
    pub reason: String,
    /// Whether it said nothing in this time.
    pub timed_out: Option<Duration>,
}

/// What one address of a host says.
#[derive(Debug, Clone)]
pub struct AddressFacts {
    /// The address; none for a socket.
    pub ip: Option<IpAddr>,
    /// Host and address, for people.
    pub server: String,
    /// How long the connection took, or why there was none.
    pub connected: Result<Duration, Unconnected>,
    /// What it answered to the request for TLS, when there was a connection.
    pub answer: Option<Answer>,
}

/// Why there was no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconnected {
    /// The host says that nobody listens there.
    Refused,
    /// Nothing came back in this time.
    Silent(Duration),
    /// There is no way there, as this host or a router says.
    Unreachable(String),
    /// There is no such socket.
    NoSocket,
    /// This user may not use the socket.
    Forbidden,
    /// Anything else.
    Other(String),
}

/// What an address answers to PostgreSQL's request for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// PostgreSQL, with TLS.
    Tls,
    /// PostgreSQL, without TLS.
    NoTls,
    /// PostgreSQL, with an error instead of either.
    Error,
    /// TLS from the first byte on: the request was not understood.
    OnlyTls,
    /// Something else, which is known.
    Other(&'static str),
    /// Something else, which begins like this.
    Unknown(String),
    /// It closed the connection without a word.
    Closed,
    /// It said nothing for so long.
    Silent(Duration),
}

impl Answer {
    /// Whether that is how a PostgreSQL, or a pooler in front of one, answers.
    pub fn is_postgres(&self) -> bool {
        match self {
            Self::Tls | Self::NoTls | Self::Error => true,
            Self::OnlyTls | Self::Other(_) | Self::Unknown(_) | Self::Closed | Self::Silent(_) => {
                false
            }
        }
    }
}

impl HostFacts {
    /// Whether it is this machine: a socket, or a loopback address.
    pub fn is_local(&self) -> bool {
        !self.addresses.is_empty()
            && self
                .addresses
                .iter()
                .all(|address| address.ip.is_none_or(|ip| ip.is_loopback()))
    }
}

impl Network {
    /// Every address of every host.
    pub fn addresses(&self) -> impl Iterator<Item = &AddressFacts> {
        self.hosts.iter().flat_map(|host| &host.addresses)
    }

    /// The first address that answers as PostgreSQL does.
    pub fn answering(&self) -> Option<&AddressFacts> {
        self.addresses()
            .find(|address| address.answer.as_ref().is_some_and(Answer::is_postgres))
    }

    /// Whether all of it is on this machine.
    pub fn is_local(&self) -> bool {
        self.hosts.iter().all(HostFacts::is_local)
    }
}

/// Looks at every host at once; each step of each may take `limit`.
pub(super) async fn read(endpoint: &Endpoint, limit: Duration) -> Network {
    let limit = endpoint.connect_timeout.map_or(limit, |own| own.min(limit));
    let hosts = endpoint.hosts.iter().map(|host| look(host, limit));
    Network {
        hosts: join_all(hosts).await,
    }
}

async fn look(host: &Host, limit: Duration) -> HostFacts {
    let started = Instant::now();
    let mut facts = HostFacts {
        host: host.to_string(),
        name: host
            .name()
            .filter(|_| host.address().is_none())
            .map(str::to_owned),
        resolved: Ok(Duration::ZERO),
        addresses: Vec::new(),
    };
    if let Some(path) = host.socket_path() {
        facts.addresses = vec![knock_socket(&path, limit).await];
        return facts;
    }
    let found = match (&facts.name, host.address()) {
        (_, Some(address)) => Ok(vec![address]),
        (Some(name), None) => resolve(name, limit).await,
        (None, None) => Ok(Vec::new()),
    };
    match found {
        Ok(addresses) => {
            facts.resolved = Ok(started.elapsed());
            let knocks = addresses
                .into_iter()
                .map(|ip| knock_tcp(host, SocketAddr::new(ip, host.port), limit));
            facts.addresses = join_all(knocks).await;
        }
        Err(unresolved) => facts.resolved = Err(unresolved),
    }
    facts
}

async fn resolve(name: &str, limit: Duration) -> Result<Vec<IpAddr>, Unresolved> {
    let looking = tokio::net::lookup_host((name, 0));
    let found = match timeout(limit, looking).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            return Err(Unresolved {
                reason: resolver_words(&error),
                timed_out: None,
            });
        }
        Err(_) => {
            return Err(Unresolved {
                reason: "the resolver gave no answer".to_owned(),
                timed_out: Some(limit),
            });
        }
    };
    let mut addresses = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// "failed to lookup address information: Name or service not known" says it twice.
fn resolver_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit(": ").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

async fn knock_tcp(host: &Host, address: SocketAddr, limit: Duration) -> AddressFacts {
    let server = match host.address() {
        None => format!("{host} ({})", address.ip()),
        Some(_) => host.to_string(),
    };
    let connect = async { Stream::tcp(TcpStream::connect(address).await?) };
    knock(connect, Some(address.ip()), server, limit).await
}

async fn knock_socket(path: &Path, limit: Duration) -> AddressFacts {
    let server = format!("socket {}", path.display());
    let connect = async { Stream::unix(UnixStream::connect(path).await?) };
    knock(connect, None, server, limit).await
}

async fn knock(
    connect: impl Future<Output = io::Result<Stream>>,
    ip: Option<IpAddr>,
    server: String,
    limit: Duration,
) -> AddressFacts {
    let started = Instant::now();
    let mut facts = AddressFacts {
        ip,
        server,
        connected: Err(Unconnected::Silent(limit)),
        answer: None,
    };
    match timeout(limit, connect).await {
        Err(_) => {}
        Ok(Err(error)) => facts.connected = Err(unconnected(&error)),
        Ok(Ok(mut stream)) => {
            facts.connected = Ok(started.elapsed());
            facts.answer = Some(ask(&mut stream, limit).await);
        }
    }
    facts
}

fn unconnected(error: &io::Error) -> Unconnected {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unconnected::Refused,
        io::ErrorKind::NotFound => Unconnected::NoSocket,
        io::ErrorKind::PermissionDenied => Unconnected::Forbidden,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Unconnected::Unreachable(crate::error::plain(error))
        }
        io::ErrorKind::TimedOut => Unconnected::Silent(Duration::ZERO),
        _ => Unconnected::Other(crate::error::plain(error)),
    }
}

/// Asks for TLS. Servers of other protocols that speak in lines get one, so that they show themselves.
async fn ask(stream: &mut Stream, limit: Duration) -> Answer {
    let mut request = Vec::new();
    startup::write_ssl_request(&mut request);
    let mut answer = [0; 64];
    for (message, patience) in [
        (request.as_slice(), THOUGHT.min(limit)),
        (b"\r\n\r\n", limit),
    ] {
        if stream.write_all(message).await.is_err() {
            return Answer::Closed;
        }
        match timeout(patience, stream.read_some(&mut answer)).await {
            Ok(Ok(count)) => return what_is(&answer[..count]),
            Ok(Err(_)) => return Answer::Closed,
            Err(_) => {}
        }
    }
    Answer::Silent(THOUGHT.min(limit) + limit)
}

/// What the first bytes of an answer tell.
fn what_is(bytes: &[u8]) -> Answer {
    let begins = |text: &str| bytes.starts_with(text.as_bytes());
    match bytes {
        [] => Answer::Closed,
        [b'S'] => Answer::Tls,
        [b'N'] => Answer::NoTls,
        [b'E', 0, ..] => Answer::Error,
        // A TLS record: alert or handshake.
        [0x15 | 0x16, 3, ..] => Answer::OnlyTls,
        // Length, packet number 0, protocol 10.
        [_, _, 0, 0, 10, ..] => Answer::Other("MySQL"),
        _ if begins("HTTP/") => Answer::Other("an HTTP server"),
        _ if begins("SSH-") => Answer::Other("an SSH server"),
        _ if begins("-ERR") || begins("-NOAUTH") => Answer::Other("Redis"),
        _ if begins("220 ") => Answer::Other("a mail or FTP server"),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let plain = text.chars().take(24);
            Answer::Unknown(plain.flat_map(char::escape_default).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_who_answers() {
        for (bytes, answer) in [
            (b"S".as_slice(), Answer::Tls),
            (b"N", Answer::NoTls),
            (b"E\0\0\0\x10", Answer::Error),
            (b"", Answer::Closed),
            (b"HTTP/1.1 400 Bad Request", Answer::Other("an HTTP server")),
            (b"SSH-2.0-OpenSSH", Answer::Other("an SSH server")),
            (b"\x15\x03\x01\0\x02", Answer::OnlyTls),
            (b"J\0\0\0\x0a8.0.3", Answer::Other("MySQL")),
            (b"what?\r\n", Answer::Unknown("what?\\r\\n".to_owned())),
        ] {
            assert_eq!(what_is(bytes), answer);
        }
    }
}
