//! A non-blocking TCP or Unix socket that costs one system call a read or write.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

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
        }
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// What the runtime last heard, without asking the kernel.
    pub(super) fn is_read_ready(&self) -> bool {
        self.when(Interest::READABLE, || Ok(())).is_ok()
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
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
        self.counted(Interest::WRITABLE, bytes.len(), || {
            Ok(send(self.as_fd(), bytes, SEND)?)
        })
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(MAX_SLICES)];
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
        })
    }

    /// Runs `act` when the runtime holds the socket for ready; clears that on `WouldBlock`.
    fn when<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, act),
            Self::Unix(socket) => socket.try_io(interest, act),
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
        }
    }
}

impl Unwatched {
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
