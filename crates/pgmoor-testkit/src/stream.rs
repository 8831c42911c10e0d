//! Byte streams between scripted peers: TCP or Unix, plain or TLS.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// A port of 127.0.0.1.
    pub fn local(port: u16) -> Address {
        Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The Unix socket that PostgreSQL makes in `dir` for `port`.
    pub fn socket(dir: &Path, port: u16) -> Address {
        Address::Unix(dir.join(format!(".s.PGSQL.{port}")))
    }

    /// The port, which for a Unix socket is the number at the end of its name.
    pub fn port(&self) -> u16 {
        match self {
            Address::Tcp(address) => address.port(),
            Address::Unix(path) => path
                .extension()
                .and_then(|end| end.to_str()?.parse().ok())
                .expect("socket is named as PostgreSQL names them"),
        }
    }

    pub(crate) async fn connect(&self) -> io::Result<Socket> {
        Ok(match self {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Unix(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A connected socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Makes the coming close a reset where the transport has such a thing.
    pub(crate) fn reset_on_close(&self) {
        if let Socket::Tcp(stream) = self {
            stream.set_zero_linger().expect("set SO_LINGER");
        }
    }
}

/// A socket with or without TLS on it.
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// The plain socket.
    ///
    /// # Panics
    ///
    /// When there is TLS on it already.
    pub(crate) fn into_plain(self) -> Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(_) => panic!("TLS has started already"),
        }
    }
}

/// Calls the same method on whatever is inside.
macro_rules! delegate {
    ($self:ident, $type:ident: $($variant:ident),+ => $stream:ident, $call:expr) => {
        match $self.get_mut() {
            $($type::$variant(inner) => {
                let $stream = Pin::new(inner);
                $call
            })+
        }
    };
}

macro_rules! stream_of {
    ($type:ident: $first:ident, $second:ident) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                delegate!(self, $type: $first, $second => s, s.poll_read(cx, buf))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                delegate!(self, $type: $first, $second => s, s.poll_write(cx, buf))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                delegate!(self, $type: $first, $second => s, s.poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                delegate!(self, $type: $first, $second => s, s.poll_shutdown(cx))
            }
        }
    };
}

stream_of!(Socket: Tcp, Unix);
stream_of!(Stream: Plain, Tls);
