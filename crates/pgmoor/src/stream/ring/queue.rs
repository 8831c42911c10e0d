//! The kernel's submission and completion queues: the one place with `unsafe`.
//!
//! What the kernel reads or writes belongs to the [`Queue`] from before an operation is submitted
//! until after its completion was seen: the descriptor, the bytes of a send, the memory of all
//! receives. Callers hand these over and get them back; they can neither free nor change them
//! meanwhile. If the queue is dropped with operations under way, the memory is leaked.

use std::alloc::{Layout, alloc_zeroed};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use slab::Slab;
use tokio::io::unix::AsyncFd;

/// Operations that fit into one submission; more are submitted in between.
const ENTRIES: u32 = 512;
/// Completions that fit before the kernel keeps them in a list of its own.
const COMPLETIONS: u32 = 4096;
/// How many receives may have their bytes waiting at the same time. A power of two.
const BUFFERS: u16 = 64;
/// How much one receive takes at most.
pub(super) const BUFFER: usize = 64 << 10;
/// The number of our only group of buffers.
const GROUP: u16 = 0;
/// See `IORING_RECVSEND_POLL_FIRST`: nothing is expected to be there yet.
const POLL_FIRST: u16 = 1;
/// See `IORING_ENTER_GETEVENTS`.
const GET_EVENTS: u32 = 1;
/// The completion of a cancellation, which says nothing that the cancelled operation does not.
const UNHEARD: u64 = u64::MAX;

/// Received bytes, which stay where the kernel put them until they are
/// [given back](Queue::recycle).
#[derive(Debug)]
pub(super) struct Chunk {
    buffer: u16,
    length: usize,
}

/// What became of an operation.
#[derive(Debug)]
pub(super) enum Outcome {
    Received {
        chunk: Chunk,
        /// The socket has more.
        more: bool,
    },
    /// The other side ended its half.
    Ended,
    /// All buffers are in use: the socket has bytes, to be read by a system call.
    NoBuffer,
    ReceiveFailed(io::Error),
    Sent,
    SendFailed(io::Error),
    /// The socket takes bytes again.
    Writable,
}

/// A submitted operation, and what the kernel uses for it.
struct Flight {
    socket: usize,
    fd: Arc<OwnedFd>,
    kind: Kind,
}

enum Kind {
    Receive,
    Send { bytes: Vec<u8>, sent: usize },
    Writable,
}

/// A number for an operation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(usize);

/// One thread's queues.
pub(super) struct Queue {
    ring: IoUring,
    flights: Slab<Flight>,
    memory: NonNull<u8>,
    offers: NonNull<BufRingEntry>,
    offered: u16,
    /// Buffers of sends that ended, to be used again.
    stock: Vec<Vec<u8>>,
}

/// More than this many empty buffers are not kept.
const STOCK: usize = 64;

impl Queue {
    /// Asks the kernel for a ring of this thread's own, which signals `event`.
    ///
    /// # Errors
    /// The kernel has none, or is told not to give us one.
    pub(super) fn new(event: &OwnedFd) -> io::Result<Self> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(COMPLETIONS)
            .build(ENTRIES)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        let memory = zeroed(usize::from(BUFFERS) * BUFFER)?;
        let offers = zeroed(usize::from(BUFFERS) * size_of::<BufRingEntry>())?.cast();
        // SAFETY: the entries are page-aligned, zeroed, large enough, and never freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                offers.as_ptr() as u64,
                BUFFERS,
                GROUP,
                0,
            )?;
        }
        let mut queue = Self {
            ring,
            flights: Slab::new(),
            memory,
            offers,
            offered: 0,
            stock: Vec::new(),
        };
        for buffer in 0..BUFFERS {
            queue.offer(buffer);
        }
        Ok(queue)
    }

    /// Receives once, when something arrives.
    pub(super) fn receive(&mut self, socket: usize, fd: &Arc<OwnedFd>) -> Ticket {
        let entry = opcode::Recv::new(Fd(fd.as_raw_fd()), std::ptr::null_mut(), 0)
            .ioprio(POLL_FIRST)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.launch(socket, fd, Kind::Receive, entry)
    }

    /// Sends all of `bytes`, which should come from [`Self::buffer`].
    pub(super) fn send(&mut self, socket: usize, fd: &Arc<OwnedFd>, bytes: Vec<u8>) -> Ticket {
        let entry = send_entry(fd, &bytes);
        self.launch(socket, fd, Kind::Send { bytes, sent: 0 }, entry)
    }

    /// Waits for room in the socket.
    pub(super) fn wait_for_room(&mut self, socket: usize, fd: &Arc<OwnedFd>) -> Ticket {
        let events = rustix::event::PollFlags::OUT.bits();
        let entry = opcode::PollAdd::new(Fd(fd.as_raw_fd()), events.into()).build();
        self.launch(socket, fd, Kind::Writable, entry)
    }

    /// Ends an operation that waits; its outcome is still to come.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        let entry = opcode::AsyncCancel::new(ticket.0 as u64)
            .build()
            .user_data(UNHEARD);
        self.push(entry);
    }

    /// An empty buffer for [`Self::send`].
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.stock.pop().unwrap_or_default()
    }

    /// What was received.
    pub(super) fn bytes(&self, chunk: &Chunk) -> &[u8] {
        // SAFETY: `chunk` is the only one of its buffer (it cannot be cloned, and the kernel does
        // not use the buffer again before it is recycled), and `length` was written by the kernel.
        unsafe {
            std::slice::from_raw_parts(
                self.memory
                    .as_ptr()
                    .add(usize::from(chunk.buffer) * BUFFER)
                    .cast_const(),
                chunk.length,
            )
        }
    }

    /// Gives the memory back.
    pub(super) fn recycle(&mut self, chunk: Chunk) {
        self.offer(chunk.buffer);
    }

    /// Whether operations wait to be submitted.
    pub(super) fn has_unsubmitted(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    /// Whether [`Self::enter`] would find completions.
    pub(super) fn has_completions(&mut self) -> bool {
        self.ring.submission().taskrun() || !self.ring.completion().is_empty()
    }

    /// From here on, completions signal the event, or do not.
    pub(super) fn signals(&mut self, on: bool) {
        let completions = self.ring.completion();
        match on {
            true => completions.enable_eventfd(),
            false => completions.disable_eventfd(),
        }
    }

    /// Submits, and gives each completion to `visit` with the number of its socket. Does not wait.
    ///
    /// # Errors
    /// The kernel refuses, for want of memory; what was not submitted stays.
    pub(super) fn enter(
        &mut self,
        visit: &mut dyn FnMut(usize, Ticket, Outcome),
    ) -> io::Result<()> {
        let waiting = u32::try_from(self.ring.submission().len()).unwrap_or(u32::MAX);
        // SAFETY: no argument is passed that has to live on.
        let entered = unsafe {
            self.ring
                .submitter()
                .enter::<()>(waiting, 0, GET_EVENTS, None)
        };
        while let Some(entry) = { self.ring.completion().next() } {
            self.land(&entry, visit);
        }
        match entered {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn launch(
        &mut self,
        socket: usize,
        fd: &Arc<OwnedFd>,
        kind: Kind,
        entry: squeue::Entry,
    ) -> Ticket {
        let fd = fd.clone();
        let ticket = self.flights.insert(Flight { socket, fd, kind });
        self.push(entry.user_data(ticket as u64));
        Ticket(ticket)
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: what the entry points to is in `self.flights`, and stays there until it ended.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            // The queue is full; submitting empties it. That fails only while the kernel has no
            // memory left, and then there is nothing better to do than to try again.
            let _ = self.ring.submit();
        }
    }

    fn land(&mut self, entry: &cqueue::Entry, visit: &mut dyn FnMut(usize, Ticket, Outcome)) {
        let Ok(index) = usize::try_from(entry.user_data()) else {
            return;
        };
        if entry.user_data() == UNHEARD || !self.flights.contains(index) {
            return;
        }
        let Flight { socket, fd, kind } = self.flights.remove(index);
        let result = entry.result();
        let failed = || io::Error::from_raw_os_error(-result);
        let outcome = match kind {
            Kind::Receive => match usize::try_from(result) {
                Ok(0) => Outcome::Ended,
                Ok(length) => match cqueue::buffer_select(entry.flags()) {
                    Some(buffer) => Outcome::Received {
                        chunk: Chunk { buffer, length },
                        more: cqueue::sock_nonempty(entry.flags()),
                    },
                    None => Outcome::NoBuffer,
                },
                Err(_) if failed().raw_os_error() == Some(NO_BUFFERS) => Outcome::NoBuffer,
                Err(_) => Outcome::ReceiveFailed(failed()),
            },
            Kind::Send { mut bytes, sent } => match usize::try_from(result) {
                Ok(count) if sent + count < bytes.len() => {
                    let sent = sent + count;
                    let entry = send_entry(&fd, &bytes[sent..]);
                    self.launch(socket, &fd, Kind::Send { bytes, sent }, entry);
                    return;
                }
                Ok(_) => {
                    bytes.clear();
                    if self.stock.len() < STOCK {
                        self.stock.push(bytes);
                    }
                    Outcome::Sent
                }
                Err(_) => Outcome::SendFailed(failed()),
            },
            Kind::Writable => Outcome::Writable,
        };
        visit(socket, Ticket(index), outcome);
    }

    /// Lets the kernel have a buffer.
    fn offer(&mut self, buffer: u16) {
        let at = usize::from(self.offered & (BUFFERS - 1));
        self.offered = self.offered.wrapping_add(1);
        // SAFETY: `at` and `buffer` are below `BUFFERS`; the kernel reads the entry only after the
        // tail has moved past it, and writes none of it.
        unsafe {
            let address = self.memory.as_ptr().add(usize::from(buffer) * BUFFER);
            let entry = &mut *self.offers.as_ptr().add(at);
            entry.set_addr(address as u64);
            entry.set_len(u32::try_from(BUFFER).unwrap_or(0));
            entry.set_bid(buffer);
            let tail = BufRingEntry::tail(self.offers.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.offered, Ordering::Release);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The kernel may be writing into these until the ring is gone for good, which nobody tells.
        // A thread has one queue, for as long as it runs.
        std::mem::forget(std::mem::take(&mut self.flights));
    }
}

/// See `ENOBUFS`.
const NO_BUFFERS: i32 = rustix::io::Errno::NOBUFS.raw_os_error();

fn send_entry(fd: &OwnedFd, bytes: &[u8]) -> squeue::Entry {
    let flags = rustix::net::SendFlags::NOSIGNAL.bits();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    opcode::Send::new(Fd(fd.as_raw_fd()), bytes.as_ptr(), length)
        .flags(flags.cast_signed())
        .build()
}

/// The event on the runtime of the calling task.
pub(super) fn watched(event: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open for as long as it is watched.
    Ok(unsafe { AsyncFd::register(event) }?)
}

/// Zeroed whole pages, never freed.
fn zeroed(length: usize) -> io::Result<NonNull<u8>> {
    let page = rustix::param::page_size();
    let layout =
        Layout::from_size_align(length.next_multiple_of(page), page).map_err(io::Error::other)?;
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
