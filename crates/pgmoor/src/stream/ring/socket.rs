//! A socket on this thread's ring.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::task::coop;

use super::{Ring, RingId, Socket, with};

/// More bytes than this are written by a system call of their own, which need not copy them twice.
const SMALL: usize = 16 << 10;
/// How often a socket that leaves is asked to let go.
const PATIENCE: usize = 8;

/// It can be sent to another thread, but there it is of no use.
pub(in crate::stream) struct RingSocket {
    ring: RingId,
    number: usize,
    fd: Arc<OwnedFd>,
}

impl RingSocket {
    /// # Errors
    /// The ring is another thread's.
    pub(in crate::stream) fn new(ring: RingId, fd: OwnedFd) -> io::Result<Self> {
        let number = with(ring, |ring| {
            ring.sockets.borrow_mut().insert(Socket::default())
        })?;
        let fd = Arc::new(fd);
        let socket = Self { ring, number, fd };
        socket.with(|ring, state| socket.ask(ring, state))?;
        Ok(socket)
    }

    fn with<T>(&self, look: impl FnOnce(&Ring, &mut Socket) -> T) -> io::Result<T> {
        with(self.ring, |ring| {
            look(ring, &mut ring.sockets.borrow_mut()[self.number])
        })
    }

    /// Asks for what comes next, if nobody did.
    fn ask(&self, ring: &Ring, state: &mut Socket) {
        if state.receiving.is_none() {
            let ticket = ring.queue.borrow_mut().receive(self.number, &self.fd);
            state.receiving = Some(ticket);
            ring.call();
        }
    }

    pub(in crate::stream) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket that always has something must not keep its task from ever yielding.
        let turn = ready!(coop::poll_proceed(cx));
        self.with(|ring, state| {
            if state.is_readable() {
                turn.made_progress();
                return Poll::Ready(Ok(()));
            }
            self.ask(ring, state);
            keep(&mut state.reader, cx);
            Poll::Pending
        })
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    pub(in crate::stream) fn is_read_ready(&self) -> bool {
        self.with(|_, state| state.is_readable()).unwrap_or(true)
    }

    pub(in crate::stream) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|ring, state| {
            if let Some((chunk, from)) = state.input.take() {
                let mut queue = ring.queue.borrow_mut();
                let bytes = &queue.bytes(&chunk)[from..];
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                if count < bytes.len() {
                    state.input = Some((chunk, from + count));
                    return Ok(count);
                }
                queue.recycle(chunk);
                drop(queue);
                if !state.direct {
                    self.ask(ring, state);
                }
                return Ok(count);
            }
            if let Some(error) = state.receive_error.take() {
                // Whoever asks again is told the end.
                state.ended = true;
                return Err(error);
            }
            if state.ended {
                return Ok(0);
            }
            if !state.direct {
                self.ask(ring, state);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.read_directly(ring, state, buffer)
        })?
    }

    fn read_directly(
        &self,
        ring: &Ring,
        state: &mut Socket,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let wanted = buffer.len();
        let outcome = recv(self.as_fd(), buffer, RecvFlags::DONTWAIT).map(|(_, count)| count);
        match outcome {
            Ok(0) => state.ended = true,
            Ok(count) if count == wanted => return Ok(count),
            Ok(_) => {}
            Err(error) if error == rustix::io::Errno::INTR => return Err(error.into()),
            Err(_) => {}
        }
        state.direct = false;
        if outcome != Ok(0) {
            self.ask(ring, state);
        }
        Ok(outcome?)
    }

    pub(in crate::stream) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|_, state| {
            if !state.sending && state.full.is_none() {
                return Poll::Ready(Ok(()));
            }
            keep(&mut state.writer, cx);
            Poll::Pending
        })
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// Ready when the kernel has all that was written.
    pub(in crate::stream) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|_, state| {
            if state.sending {
                keep(&mut state.writer, cx);
                return Poll::Pending;
            }
            Poll::Ready(state.send_error.take().map_or(Ok(()), Err))
        })
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    pub(in crate::stream) fn try_write_vectored(
        &self,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.with(|ring, state| {
            if let Some(error) = state.send_error.take() {
                return Err(error);
            }
            if state.sending || state.full.is_some() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            if length > SMALL {
                return self.write_directly(ring, state, slices);
            }
            let mut queue = ring.queue.borrow_mut();
            let mut bytes = queue.buffer();
            for slice in slices {
                bytes.extend_from_slice(slice);
            }
            queue.send(self.number, &self.fd, bytes);
            state.sending = true;
            drop(queue);
            ring.call();
            Ok(length)
        })?
    }

    fn write_directly(
        &self,
        ring: &Ring,
        state: &mut Socket,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let written = match slices {
            [only] => send(self.as_fd(), only, flags),
            _ => {
                let mut control = SendAncillaryBuffer::default();
                sendmsg(self.as_fd(), slices, &mut control, flags)
            }
        };
        if written == Err(rustix::io::Errno::AGAIN) {
            let mut queue = ring.queue.borrow_mut();
            state.full = Some(queue.wait_for_room(self.number, &self.fd));
            drop(queue);
            ring.call();
        }
        Ok(written?)
    }

    /// Has the kernel take what was written, before the socket is told more.
    pub(in crate::stream) fn submit(&self) {
        let sending = self.with(|_, state| state.sending);
        if sending.is_ok_and(|sending| sending) {
            let _ = with(self.ring, Ring::enter);
        }
    }

    /// Takes the socket off the ring.
    ///
    /// # Errors
    /// Something came or is still to be sent, which would be lost: the connection is.
    pub(in crate::stream) fn leave(self) -> io::Result<OwnedFd> {
        for _ in 0..PATIENCE {
            let waits = self.with(|ring, state| {
                if let Some(ticket) = state.receiving {
                    ring.queue.borrow_mut().cancel(ticket);
                }
                state.receiving.is_some() || state.sending
            })?;
            if !waits {
                break;
            }
            with(self.ring, Ring::enter)?;
        }
        if self.with(|_, state| state.is_in_use() || state.is_readable())? {
            return Err(io::Error::other("the connection was not silent"));
        }
        let fd = self.fd.clone();
        drop(self);
        Arc::try_unwrap(fd).map_err(|_| io::Error::other("the kernel still uses the socket"))
    }
}

impl Drop for RingSocket {
    fn drop(&mut self) {
        // On another thread its place is lost, and the descriptor stays open.
        let _ = with(self.ring, |ring| {
            let mut sockets = ring.sockets.borrow_mut();
            let state = &mut sockets[self.number];
            let mut queue = ring.queue.borrow_mut();
            state.left = true;
            state.reader = None;
            state.writer = None;
            let waiting = [state.receiving, state.full];
            if let Some((chunk, _)) = state.input.take() {
                queue.recycle(chunk);
            }
            if !state.is_in_use() {
                sockets.remove(self.number);
                return;
            }
            // The descriptor is closed when the kernel has let go of it.
            for ticket in waiting.into_iter().flatten() {
                queue.cancel(ticket);
            }
            ring.call();
        });
    }
}

impl AsFd for RingSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for RingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingSocket")
            .field("fd", &self.fd)
            .finish_non_exhaustive()
    }
}

fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot
        .as_ref()
        .is_some_and(|waker| waker.will_wake(cx.waker()))
    {
        *slot = Some(cx.waker().clone());
    }
}
