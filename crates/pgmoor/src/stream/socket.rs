//! A non-blocking TCP or Unix socket that costs one system call a read or write.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

#[cfg(target_os = "linux")]
use super::ring::{self, RingSocket};

#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::NOSIGNAL;
// Apple has no such flag; the standard library sets SO_NOSIGPIPE on every socket there.
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::empty();

/// More slices than this are left to the next call, well below the kernel's limit (1,024).
const MAX_SLICES: usize = 256;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(target_os = "linux")]
    Ring(RingSocket, Family),
}

/// What a socket is when its runtime is not asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Family {
    Tcp,
    Unix,
}

/// A socket that no runtime watches.
#[derive(Debug)]
pub(super) enum Unwatched {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, _) => socket.poll_read_ready(cx),
        }
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, _) => socket.poll_write_ready(cx),
        }
    }

    /// Ready when the kernel has what was written.
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, _) => socket.poll_sent(cx),
        }
    }

    /// Has the kernel take what was written, without waiting for room.
    pub(super) fn submit(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Ring(socket, _) = self {
            socket.submit();
        }
    }

    /// The same socket on this thread's ring; `None` when there is no ring, or it is there.
    #[cfg(target_os = "linux")]
    pub(super) fn accelerated(&self) -> io::Result<Option<Self>> {
        let (Some(ring), false) = (ring::current(), self.is_accelerated()) else {
            return Ok(None);
        };
        let family = match self {
            Self::Tcp(_) => Family::Tcp,
            _ => Family::Unix,
        };
        let fd = fcntl_dupfd_cloexec(self, 0)?;
        Ok(Some(Self::Ring(RingSocket::new(ring, fd)?, family)))
    }

    pub(super) fn is_accelerated(&self) -> bool {
        !matches!(self, Self::Tcp(_) | Self::Unix(_))
    }

    /// What the runtime last heard, without asking the kernel.
    pub(super) fn is_read_ready(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Self::Ring(socket, _) = self {
            return socket.is_read_ready();
        }
        self.when(Interest::READABLE, || Ok(())).is_ok()
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if let Self::Ring(socket, _) = self {
            return socket.try_read(buffer);
        }
        let wanted = buffer.len();
        self.counted(Interest::READABLE, wanted, || {
            Ok(recv(self.as_fd(), buffer, RecvFlags::empty())?.1)
        })
    }

    /// Looks at what has arrived and leaves it there.
    pub(super) fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when(Interest::READABLE, || {
            Ok(recv(self.as_fd(), buffer, RecvFlags::PEEK)?.1)
        })
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if let Self::Ring(socket, _) = self {
            return socket.try_write_vectored(&[IoSlice::new(bytes)]);
        }
        self.counted(Interest::WRITABLE, bytes.len(), || {
            Ok(send(self.as_fd(), bytes, SEND)?)
        })
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(MAX_SLICES)];
        #[cfg(target_os = "linux")]
        if let Self::Ring(socket, _) = self {
            return socket.try_write_vectored(slices);
        }
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.counted(Interest::WRITABLE, wanted, || {
            let mut control = SendAncillaryBuffer::default();
            Ok(sendmsg(self.as_fd(), slices, &mut control, SEND)?)
        })
    }

    pub(super) fn unwatch(self) -> io::Result<Unwatched> {
        Ok(match self {
            Self::Tcp(socket) => Unwatched::Tcp(socket.into_std()?),
            Self::Unix(socket) => Unwatched::Unix(socket.into_std()?),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, Family::Tcp) => Unwatched::Tcp(socket.leave()?.into()),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, Family::Unix) => Unwatched::Unix(socket.leave()?.into()),
        })
    }

    /// Runs `act` when the runtime holds the socket for ready; clears that on `WouldBlock`.
    fn when<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, act),
            Self::Unix(socket) => socket.try_io(interest, act),
            #[cfg(target_os = "linux")]
            Self::Ring(..) => act(),
        }
    }

    /// Like [`Self::when`] for transfers, where fewer bytes than `wanted` prove that the socket is
    /// drained (or full): readiness is edge-triggered, so it is cleared at once and the next wait
    /// needs no further system call that only says `EAGAIN`.
    fn counted(
        &self,
        interest: Interest,
        wanted: usize,
        transfer: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut short = None;
        let outcome = self.when(interest, || {
            let count = transfer()?;
            if 0 < count && count < wanted {
                short = Some(count);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        match short {
            Some(count) => Ok(count),
            None => outcome,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            #[cfg(target_os = "linux")]
            Self::Ring(socket, _) => socket.as_fd(),
        }
    }
}

impl Unwatched {
    /// By this thread's ring if it has one, or else by its runtime.
    pub(super) fn accelerate(self) -> io::Result<Socket> {
        #[cfg(target_os = "linux")]
        if let Some(ring) = ring::current() {
            return Ok(match self {
                Self::Tcp(socket) => {
                    Socket::Ring(RingSocket::new(ring, socket.into())?, Family::Tcp)
                }
                Self::Unix(socket) => {
                    Socket::Ring(RingSocket::new(ring, socket.into())?, Family::Unix)
                }
            });
        }
        self.watch()
    }

    /// By the runtime of the calling task.
    pub(super) fn watch(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(socket) => Socket::Tcp(TcpStream::from_std(socket)?),
            Self::Unix(socket) => Socket::Unix(UnixStream::from_std(socket)?),
        })
    }
}

/// Lets rustls write its records straight to the socket.
pub(super) struct Writer<'a>(pub(super) &'a Socket);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
