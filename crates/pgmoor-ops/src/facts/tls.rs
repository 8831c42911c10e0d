//! What TLS with each host comes to: whether it is offered, which certificates are shown, and whether they
//! are found good.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pgmoor::connector::Connector;
use pgmoor::endpoint::{Host, RootCert, SslMode, SslNegotiation, TlsSettings, Verification};
use pgmoor::stream::Stream;
use pgmoor::tls::{ClientTls, TlsError, TlsInfo};
use pgmoor_wire::startup;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::certificate::Certificate;
use super::reading::{Reading, Unread};

/// What TLS with each host comes to, in the address' order; sockets are not among them.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The `sslmode`.
    pub mode: SslMode,
    /// The client certificate that is configured, with its intermediates; none without one, or when it
    /// cannot be read.
    pub client: Vec<Certificate>,
    /// The hosts.
    pub hosts: Vec<HostTls>,
}

/// What TLS with one host comes to.
#[derive(Debug, Clone)]
pub struct HostTls {
    /// Host and port, for people.
    pub host: String,
    /// What is checked of the server's certificate, or which file cannot be used for that.
    pub verification: Result<Verification, Arc<TlsError>>,
    /// The handshake with that.
    pub handshake: Handshake,
    /// The certificates that the server showed, its own first: also those that were not found good.
    pub chain: Vec<Certificate>,
}

/// What came of a handshake.
#[derive(Debug, Clone)]
pub enum Handshake {
    /// It was done.
    Done {
        /// `TLSv1.3`.
        version: &'static str,
        /// How long it took, without the connection.
        took: Duration,
    },
    /// The server says that it has no TLS.
    NotOffered,
    /// It failed; a [`rustls::Error`](https://docs.rs/rustls) is inside where it is TLS's own.
    Failed(Arc<io::Error>),
    /// There was no connection to begin it on, or no answer in time: the network's facts say why.
    NoConnection,
    /// Our own files cannot be used.
    NotTried,
}

impl Tls {
    /// The first host on which a handshake was done, or at least tried.
    pub fn telling(&self) -> Option<&HostTls> {
        let rank = |host: &&HostTls| match host.handshake {
            Handshake::Done { .. } => 0,
            Handshake::Failed(_) => 1,
            Handshake::NotOffered => 2,
            Handshake::NotTried => 3,
            Handshake::NoConnection => 4,
        };
        self.hosts.iter().min_by_key(rank)
    }
}

/// Shakes hands with every host at once; each step of each may take `limit`.
pub(super) async fn read(connector: &Connector, limit: Duration) -> Reading<Tls> {
    let endpoint = connector.endpoint();
    let limit = endpoint.connect_timeout.map_or(limit, |own| own.min(limit));
    let hosts: Vec<&Host> = endpoint
        .hosts
        .iter()
        .filter(|host| !host.is_socket())
        .collect();
    if hosts.is_empty() {
        return Err(Unread::NotApplicable(
            "the connection is a Unix socket, which needs no TLS".to_owned(),
        ));
    }
    let negotiation = endpoint.tls.negotiation;
    let looks = hosts
        .iter()
        .map(|host| look(connector.tls(), host, negotiation, limit));
    Ok(Tls {
        mode: endpoint.tls.mode,
        client: own_certificates(connector.tls()),
        hosts: join_all(looks).await,
    })
}

async fn look(
    tls: &ClientTls,
    host: &Host,
    negotiation: SslNegotiation,
    limit: Duration,
) -> HostTls {
    let mut facts = HostTls {
        host: host.to_string(),
        verification: Ok(Verification::None),
        handshake: Handshake::NotTried,
        chain: Vec::new(),
    };
    match tls.setup(host) {
        Ok(setup) => facts.verification = Ok(setup.verification),
        Err(error) => facts.verification = Err(Arc::new(error)),
    }
    if facts.verification.is_ok() {
        let (handshake, info) = shake(tls, host, negotiation, limit).await;
        facts.handshake = handshake;
        facts.chain = info.map(chain).unwrap_or_default();
    }
    let is_refused = matches!(facts.handshake, Handshake::Failed(_) | Handshake::NotTried);
    if is_refused {
        // What does it show? Nothing is sent to it afterwards.
        let (again, info) = shake(&anybody(), host, negotiation, limit).await;
        facts.chain = info.map(chain).unwrap_or_default();
        if matches!(again, Handshake::NotOffered) {
            facts.handshake = again;
        }
    }
    facts
}

fn own_certificates(tls: &ClientTls) -> Vec<Certificate> {
    let certificates = tls.client_certificates().unwrap_or_default();
    certificates
        .iter()
        .filter_map(|certificate| Certificate::read(certificate))
        .collect()
}

fn chain(info: TlsInfo) -> Vec<Certificate> {
    let certificates = info.peer_certificates.iter();
    certificates
        .filter_map(|certificate| Certificate::read(certificate))
        .collect()
}

/// TLS that takes any certificate, and shows none.
fn anybody() -> ClientTls {
    let settings = TlsSettings {
        mode: SslMode::Require,
        root_cert: RootCert::Unverified,
        ..TlsSettings::default()
    };
    ClientTls::new(settings, None)
}

async fn shake(
    tls: &ClientTls,
    host: &Host,
    negotiation: SslNegotiation,
    limit: Duration,
) -> (Handshake, Option<TlsInfo>) {
    let Ok(Some(mut stream)) = timeout(limit, connect(host)).await else {
        return (Handshake::NoConnection, None);
    };
    if negotiation == SslNegotiation::Postgres {
        match timeout(limit, request(&mut stream)).await {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return (Handshake::NotOffered, None),
            Ok(None) | Err(_) => return (Handshake::NoConnection, None),
        }
    }
    let Ok(setup) = tls.setup(host) else {
        return (Handshake::NotTried, None);
    };
    let started = Instant::now();
    let shaking = stream.connect_tls(setup.config.clone(), setup.name.clone());
    match timeout(limit, shaking).await {
        Ok(Ok(())) => {
            let took = started.elapsed();
            let info = stream.tls().cloned();
            let version = info.as_ref().map_or("unknown", |info| info.version);
            (Handshake::Done { version, took }, info)
        }
        Ok(Err(error)) => (Handshake::Failed(Arc::new(error)), None),
        Err(_) => {
            let error = io::Error::new(io::ErrorKind::TimedOut, "no answer to the handshake");
            (Handshake::Failed(Arc::new(error)), None)
        }
    }
}

/// Connects to the first address that takes a connection.
async fn connect(host: &Host) -> Option<Stream> {
    let addresses: Vec<SocketAddr> = match (host.address(), host.name()) {
        (Some(address), _) => vec![SocketAddr::new(address, host.port)],
        (None, Some(name)) => tokio::net::lookup_host((name, host.port))
            .await
            .ok()?
            .collect(),
        (None, None) => return None,
    };
    let socket = TcpStream::connect(addresses.as_slice()).await.ok()?;
    Stream::tcp(socket).ok()
}

/// Asks for TLS; `None` when the answer is neither yes nor no.
async fn request(stream: &mut Stream) -> Option<bool> {
    let mut message = Vec::new();
    startup::write_ssl_request(&mut message);
    stream.write_all(&message).await.ok()?;
    let mut answer = [0; 8];
    let count = stream.read_some(&mut answer).await.ok()?;
    match answer[..count] {
        [b'S'] => Some(true),
        [b'N'] => Some(false),
        _ => None,
    }
}
