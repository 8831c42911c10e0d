//! From an address to a stream that HTTP can be spoken on: name, socket, tunnel, TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{Method, Uri, header};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{Reason, Shared};
use super::proxy::Proxy;
use super::trust::Trust;

/// Whom a request goes to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Name or address, without the brackets of IPv6.
    pub(super) host: String,
    port: u16,
    pub(super) tls: bool,
}

/// A stream to the other side.
pub(super) enum Io {
    Tcp(TcpStream),
    Tunnel(TokioIo<Upgraded>),
    Tls(Box<TlsStream<Io>>),
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, Reason> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(Reason::Address("is neither http nor https")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(Reason::Address("has no host"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
        })
    }

    /// What the header `Host` says: the port only where it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual {
            self.bracketed()
        } else {
            self.to_string()
        }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

/// Connects to the first address that answers; each has its share of the time that is left.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<Io, Reason> {
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let resolve = |source| Reason::Resolve {
        host: target.host.clone(),
        source: Shared::new(source),
    };
    let addresses: Vec<SocketAddr> = found.map_err(resolve)?.collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + left / others;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(Io::Tcp(stream));
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Reason::Connect {
        place: target.to_string(),
        source: Shared::new(failure),
    })
}

/// Has a proxy connect to the target.
pub(super) async fn tunnel(
    io: Io,
    proxy: &Proxy,
    target: &Target,
    tasks: &mut JoinSet<()>,
) -> Result<Io, Reason> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io))
        .await
        .map_err(Reason::exchange)?;
    tasks.spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let address = |_| Reason::Address("cannot be sent to a proxy");
    let mut request = ::http::Request::builder()
        .method(Method::CONNECT)
        .uri(target.to_string())
        .header(header::HOST, target.to_string());
    if let Some(login) = proxy.authorization() {
        request = request.header(header::PROXY_AUTHORIZATION, login);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(address)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(Reason::exchange)?;
    if !response.status().is_success() {
        return Err(Reason::Proxy {
            proxy: proxy.place(),
            status: response.status().as_u16(),
        });
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(Reason::exchange)?;
    Ok(Io::Tunnel(TokioIo::new(upgraded)))
}

/// Agrees on TLS with the target, which must be who it says.
pub(super) async fn handshake(
    io: Io,
    target: &Target,
    trust: &Arc<Trust>,
) -> Result<TlsStream<Io>, Reason> {
    let config = trust.config().await?;
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| Reason::Address("has a host that no certificate can name"))?;
    let shaken = TlsConnector::from(config).connect(name, io).await;
    shaken.map_err(|error| Reason::Tls {
        place: target.to_string(),
        source: Shared::new(error),
    })
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tunnel(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tunnel(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tunnel(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
