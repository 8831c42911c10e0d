//! One connection's bytes: TCP or Unix, plain or TLS, never blocking.
//!
//! It knows nothing of PostgreSQL messages, and it never waits by itself except in the few `async`
//! helpers that handshakes use.
//!
//! Reading on the data path is a loop of [`Stream::poll_read_ready`] and [`Stream::try_read`]:
//!
//! ```
//! # async fn example(mut stream: pgmoor::stream::Stream) -> std::io::Result<()> {
//! let mut buffer = vec![0; 16 * 1024];
//! loop {
//!     std::future::poll_fn(|cx| stream.poll_read_ready(cx)).await?;
//!     match stream.try_read(&mut buffer) {
//!         Ok(0) => return Ok(()),
//!         Ok(count) => { let _bytes = &buffer[..count]; }
//!         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
//!         Err(error) => return Err(error),
//!     }
//! }
//! # }
//! ```

mod handshake;
mod options;
mod peer;
#[cfg(target_os = "linux")]
pub mod ring;
mod session;
mod socket;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use tokio::net::{TcpStream, UnixStream};

pub use crate::tls::Acceptor;
use crate::tls::TlsInfo;
pub use options::KeepAlive;
pub use peer::Peer;
use session::Session;
use socket::{Socket, Unwatched};

/// One connection's bytes.
///
/// A plain stream owns no buffer, and [`try_read`](Self::try_read), [`try_write`](Self::try_write)
/// and [`try_write_vectored`](Self::try_write_vectored) on it are one system call each.
pub struct Stream {
    socket: Socket,
    tls: Option<Box<Session>>,
    peer: Peer,
    /// Dropped after the socket.
    kept: Kept,
}

/// What somebody wants to be kept as long as a stream.
type Kept = Option<Box<dyn std::any::Any + Send + Sync>>;

/// A stream between two runtimes: no runtime watches it. TLS state moves along.
#[derive(Debug)]
pub struct Detached {
    socket: Unwatched,
    accelerated: bool,
    tls: Option<Box<Session>>,
    peer: Peer,
    kept: Kept,
}

impl Stream {
    /// Takes a connected TCP socket and switches Nagle's algorithm off.
    ///
    /// # Errors
    /// The socket is no longer connected.
    pub fn tcp(socket: TcpStream) -> io::Result<Self> {
        let peer = socket.peer_addr()?;
        socket.set_nodelay(true)?;
        Ok(Self::accepted(socket, peer))
    }

    /// Takes a TCP socket that came from a listener, and has the options that were
    /// [given](KeepAlive::bequeath) to that.
    pub fn accepted(socket: TcpStream, peer: SocketAddr) -> Self {
        Self {
            socket: Socket::Tcp(socket),
            tls: None,
            peer: Peer::Tcp(peer),
            kept: None,
        }
    }

    /// Takes a connected Unix socket.
    ///
    /// # Errors
    /// The kernel does not tell who is at the other end.
    pub fn unix(socket: UnixStream) -> io::Result<Self> {
        let peer = Peer::of_unix(&socket)?;
        Ok(Self {
            socket: Socket::Unix(socket),
            tls: None,
            peer,
            kept: None,
        })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What TLS agreed on; `None` on a plain stream.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()?.info()
    }

    /// Sets TCP keepalive and user timeout; nothing on a Unix socket.
    ///
    /// # Errors
    /// The kernel refuses a value.
    pub fn set_keepalive(&self, options: &KeepAlive) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(socket) => options.apply(socket.as_fd()),
            _ => Ok(()),
        }
    }

    /// Keeps something as long as the socket, and drops it right after: what was kept before is
    /// dropped now.
    pub fn keep(&mut self, thing: Box<dyn std::any::Any + Send + Sync>) {
        self.kept = Some(thing);
    }

    /// Ready when a read would give bytes, the end, or an error.
    ///
    /// At once while decrypted bytes wait. With TLS it may be ready for a record that carries no
    /// data; [`try_read`](Self::try_read) then says `WouldBlock`.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tls {
            Some(tls) if tls.has_input() => Poll::Ready(Ok(())),
            _ => self.socket.poll_read_ready(cx),
        }
    }

    /// Ready when the socket takes bytes.
    pub fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    /// Whether something seems to have arrived, as far as the runtime has heard: no system call.
    ///
    /// A hint for server connections taken from a pool: one that is silent gives `false`. `true`
    /// needs a [`try_read`](Self::try_read) to be sure (a TLS session ticket, for one, is nothing).
    pub fn is_read_ready(&self) -> bool {
        match &self.tls {
            Some(tls) if tls.has_input() => true,
            _ => self.socket.is_read_ready(),
        }
    }

    /// Reads what is there; 0 is the end. `buffer` must not be empty.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; `UnexpectedEof` when TLS ends without `close_notify`;
    /// `InvalidData` for a broken record.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        debug_assert!(!buffer.is_empty(), "an empty buffer looks like the end");
        match &mut self.tls {
            None => self.socket.try_read(buffer),
            Some(tls) => tls.read(&self.socket, buffer),
        }
    }

    /// Looks at the first bytes that arrived and leaves them there; plain streams only.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; `Unsupported` with TLS.
    pub fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.socket.try_peek(buffer),
            Some(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Writes as much as is taken now and says how much.
    ///
    /// With TLS the bytes counted are encrypted, and some may still wait for the socket:
    /// [`poll_flush`](Self::poll_flush) sends them.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken; the error of a broken connection.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.try_write(bytes),
            Some(tls) => tls.write(&self.socket, bytes),
        }
    }

    /// [`try_write`](Self::try_write) of several slices at once.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.try_write_vectored(slices),
            Some(tls) => tls.write_vectored(&self.socket, slices),
        }
    }

    /// Whether TLS records wait for the socket.
    pub fn wants_flush(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends the TLS records that wait, and waits until the kernel has all that was written.
    ///
    /// Cancel safe: nothing is lost between two polls.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(tls) = &mut self.tls {
            match tls.flush(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => break,
            }
        }
        self.socket.poll_sent(cx)
    }

    /// Says the last word: `close_notify` with TLS, then the end of our half of the socket.
    ///
    /// The other half can still be read.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &mut self.tls {
            tls.close();
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(self.end_writing())
    }

    /// [`poll_shutdown`](Self::poll_shutdown) without waiting: for a connection that is dropped
    /// next, where a record that does not fit is not worth a wait.
    pub fn shutdown_now(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
            let _ = tls.flush(&self.socket);
        }
        let _ = self.end_writing();
    }

    /// Waits for bytes and reads them; 0 is the end.
    ///
    /// Cancel safe: no byte is lost if the future is dropped.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), without `WouldBlock`.
    pub async fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            poll_fn(|cx| self.poll_read_ready(cx)).await?;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits for bytes and puts them behind those in `inbox`, at most `limit` of them; 0 is the end.
    ///
    /// Cancel safe: while it waits, `inbox` is as it was.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), without `WouldBlock`.
    pub async fn read_onto(&mut self, inbox: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        loop {
            poll_fn(|cx| self.poll_read_ready(cx)).await?;
            let before = inbox.len();
            inbox.resize(before + limit, 0);
            let outcome = self.try_read(&mut inbox[before..]);
            inbox.truncate(before + outcome.as_ref().copied().unwrap_or(0));
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits for bytes and looks at them without taking them; plain streams only.
    ///
    /// # Errors
    /// As [`try_peek`](Self::try_peek), without `WouldBlock`.
    pub async fn peek_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            poll_fn(|cx| self.poll_read_ready(cx)).await?;
            match self.try_peek(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    /// Writes all of `bytes` and flushes.
    ///
    /// Not cancel safe: when dropped, an unknown part is written.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll_fn(|cx| self.poll_write_ready(cx)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits until [`poll_shutdown`](Self::poll_shutdown) is done.
    ///
    /// # Errors
    /// The connection broke before.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }

    /// Takes the stream off this runtime, to be [attached](Detached::attach) to another.
    ///
    /// # Errors
    /// The runtime does not let go of the socket; the connection is lost.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(Detached {
            accelerated: self.is_accelerated(),
            socket: self.socket.unwatch()?,
            tls: self.tls,
            peer: self.peer,
            kept: self.kept,
        })
    }

    /// Moves the stream onto this thread's [ring], if it has one: worth it on a busy thread.
    ///
    /// # Errors
    /// There are no descriptors left; the stream is as it was.
    pub fn accelerate(&mut self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(socket) = self.socket.accelerated()? {
            self.socket = socket;
        }
        Ok(())
    }

    /// Whether it is on a ring.
    pub fn is_accelerated(&self) -> bool {
        self.socket.is_accelerated()
    }

    fn end_writing(&self) -> io::Result<()> {
        self.socket.submit();
        socket2::SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write)
    }
}

impl Detached {
    /// Puts the stream on the runtime of the calling task.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn attach(self) -> io::Result<Stream> {
        Ok(Stream {
            socket: match self.accelerated {
                true => self.socket.accelerate()?,
                false => self.socket.watch()?,
            },
            tls: self.tls,
            peer: self.peer,
            kept: self.kept,
        })
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("peer", &self.peer)
            .field("tls", &self.tls().map(|tls| tls.version))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
