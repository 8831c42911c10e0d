//! Sockets served by `io_uring`: on a busy worker, one system call for many reads and writes.
//!
//! A thread that has [installed](install) a ring can move a stream onto it with
//! [`Stream::accelerate`](super::Stream::accelerate). The stream behaves as before: only who asks
//! the kernel is another. Writes are taken into a buffer and submitted together once every task
//! that can run has run; reads are asked for in advance, and are there when the stream is looked at.
//!
//! ```text
//!   streams ──queue──▶ [ submission ] ─┐
//!                                      ├─ one io_uring_enter, when all tasks have had their turn
//!   streams ◀──wake─── [ completion ] ◀┘
//! ```
//!
//! For a few clients it is no gain, so nothing is moved by itself. Where the kernel has no
//! `io_uring`, or a container's rules forbid it, [`install`] says so and all goes on as before.

#[expect(
    unsafe_code,
    reason = "shared memory with the kernel; audited as one file"
)]
mod queue;
mod socket;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use rustix::event::{EventfdFlags, eventfd};
use slab::Slab;
use tokio::io::unix::AsyncFd;

use queue::{Chunk, Outcome, Queue, Ticket};
pub(super) use socket::RingSocket;

thread_local! {
    static RING: RefCell<Option<Rc<Ring>>> = const { RefCell::new(None) };
}

/// Which ring: each has a number of its own in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RingId(u64);

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// One thread's ring.
struct Ring {
    id: RingId,
    queue: RefCell<Queue>,
    sockets: RefCell<Slab<Socket>>,
    driver: RefCell<Option<Waker>>,
    /// The driver has been told that there is something to submit.
    called: Cell<bool>,
}

/// What is known of one socket.
#[derive(Default)]
struct Socket {
    receiving: Option<Ticket>,
    /// Received and not read yet, from this byte on.
    input: Option<(Chunk, usize)>,
    /// There is something that a system call has to read.
    direct: bool,
    ended: bool,
    receive_error: Option<io::Error>,
    sending: bool,
    send_error: Option<io::Error>,
    /// Waits for room, after a write that did not fit.
    full: Option<Ticket>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Its stream is gone: only the kernel still uses it.
    left: bool,
}

impl Socket {
    fn is_readable(&self) -> bool {
        self.input.is_some() || self.direct || self.ended || self.receive_error.is_some()
    }

    fn is_in_use(&self) -> bool {
        self.receiving.is_some() || self.sending || self.full.is_some()
    }
}

/// Gives the calling thread a ring. The [`Driver`] must run on this thread.
///
/// # Errors
/// The kernel has no `io_uring` that is recent enough, or may not give it to us.
pub fn install() -> io::Result<Driver> {
    let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let ring = Rc::new(Ring {
        id: RingId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
        queue: RefCell::new(Queue::new(&event)?),
        sockets: RefCell::default(),
        driver: RefCell::default(),
        called: Cell::new(false),
    });
    let event = queue::watched(event)?;
    RING.set(Some(ring.clone()));
    Ok(Driver { ring, event })
}

/// The calling thread's ring.
pub(super) fn current() -> Option<RingId> {
    RING.with_borrow(|ring| ring.as_ref().map(|ring| ring.id))
}

/// Works with a ring, on its own thread.
///
/// # Errors
/// This is another thread, where nothing can be done for its sockets.
fn with<T>(id: RingId, work: impl FnOnce(&Ring) -> T) -> io::Result<T> {
    RING.with_borrow(|ring| match ring {
        Some(ring) if ring.id == id => Ok(work(ring)),
        _ => Err(io::Error::other(
            "the stream is on another thread's ring; it has to be detached there",
        )),
    })
}

/// Submits what streams ask for, and wakes those whose wishes came true.
#[must_use = "nothing moves on the ring unless its driver runs"]
pub struct Driver {
    ring: Rc<Ring>,
    event: AsyncFd<OwnedFd>,
}

impl Driver {
    /// Runs for as long as the thread does.
    pub async fn run(self) -> Infallible {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Infallible> {
        let ring = &self.ring;
        loop {
            if ring.called.take() || ring.queue.borrow_mut().has_completions() {
                ring.queue.borrow_mut().signals(false);
                ring.enter();
                if ring.called.get() {
                    continue;
                }
                // Whoever was woken goes first; what they ask for goes together.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ring.queue.borrow_mut().signals(true);
            if ring.queue.borrow_mut().has_completions() {
                continue;
            }
            let mut own = ring.driver.borrow_mut();
            if !own.as_ref().is_some_and(|own| own.will_wake(cx.waker())) {
                *own = Some(cx.waker().clone());
            }
            drop(own);
            // Each signal is an edge: the event's count need not be read.
            match self.event.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Ring {
    /// Has the driver submit what was queued.
    fn call(&self) {
        if !self.called.replace(true)
            && let Some(driver) = &*self.driver.borrow()
        {
            driver.wake_by_ref();
        }
    }

    /// Submits and takes what is complete.
    fn enter(&self) {
        let mut sockets = self.sockets.borrow_mut();
        let mut unused = Vec::new();
        let mut wakers = Vec::new();
        let mut queue = self.queue.borrow_mut();
        let entered = queue.enter(&mut |number, ticket, outcome| {
            let Some(socket) = sockets.get_mut(number) else {
                return;
            };
            let waker = socket.land(ticket, outcome, &mut unused);
            wakers.extend(waker);
            if socket.left && !socket.is_in_use() {
                let gone = sockets.remove(number);
                unused.extend(gone.input.map(|(chunk, _)| chunk));
            }
        });
        for chunk in unused {
            queue.recycle(chunk);
        }
        if entered.is_err() || queue.has_unsubmitted() {
            // Out of memory for a moment, or a send that went out in part.
            self.called.set(true);
        }
        drop((queue, sockets));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Socket {
    /// An operation ended; gives whom to wake.
    fn land(&mut self, ticket: Ticket, outcome: Outcome, unused: &mut Vec<Chunk>) -> Option<Waker> {
        match outcome {
            Outcome::Received { chunk, more } => {
                self.receiving = None;
                if self.left {
                    unused.push(chunk);
                } else {
                    self.input = Some((chunk, 0));
                    self.direct = more;
                }
            }
            Outcome::Ended => {
                self.receiving = None;
                self.ended = true;
            }
            Outcome::NoBuffer => {
                self.receiving = None;
                self.direct = true;
            }
            Outcome::ReceiveFailed(error) => {
                self.receiving = None;
                if self.left || error.raw_os_error() == Some(CANCELED) {
                    return None;
                }
                self.receive_error = Some(error);
            }
            Outcome::Sent => {
                self.sending = false;
                return self.writer.take();
            }
            Outcome::SendFailed(error) => {
                self.sending = false;
                self.send_error = Some(error);
                return self.writer.take();
            }
            Outcome::Writable => {
                if self.full == Some(ticket) {
                    self.full = None;
                }
                return self.writer.take();
            }
        }
        self.reader.take()
    }
}

/// See `ECANCELED`.
const CANCELED: i32 = rustix::io::Errno::CANCELED.raw_os_error();
