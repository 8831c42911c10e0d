//! One server connection, and what is known of it between two clients.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgmoor::connector::{CancelTarget, Connection};
use pgmoor::credential::Retired;
use pgmoor::stream::{Detached, Peer, Stream};
use pgmoor_wire::{backend, frame, frontend, tag};
use tracing::debug;

use super::permit::Permit;
use crate::clock::Moment;
use crate::parameters::Opening;
use crate::relay::ServerState;

/// An unfinished message that nobody asked for may not grow beyond this, in bytes.
const MAX_UNASKED: usize = 64 << 10;

/// How long the delivery of a cancel request may take.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One server connection.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) stream: Stream,
    pub(crate) about: Box<About>,
}

/// What never changes about a server connection. Whoever uses it shows its card, so that it can be
/// listed and cancelled from elsewhere.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id: u64,
    /// The server's process, for people.
    pub(crate) pid: Option<i32>,
    pub(crate) opened: Moment,
    pub(crate) generation: u64,
    pub(crate) endpoint: Arc<str>,
    /// The server's address, and how the connection is encrypted, for people.
    pub(crate) peer: Peer,
    pub(crate) tls: Option<Arc<str>>,
    cancel: CancelTarget,
    /// Cancel requests under way: nobody else may have the connection before they have ended.
    cancels: AtomicUsize,
}

impl Card {
    /// Asks the server to cancel what runs there. The connection is nobody else's until it is done;
    /// `delivered` is dropped then.
    pub(crate) fn cancel(self: Arc<Self>, delivered: Option<Delivered>) {
        self.cancels.fetch_add(1, Ordering::SeqCst);
        tokio::task::spawn_local(async move {
            let deadline = Instant::now() + CANCEL_LIMIT;
            if let Err(error) = self.cancel.cancel(deadline).await {
                debug!(server_id = self.id, error = %crate::report::chain(&error), "cannot deliver cancel request");
            }
            self.cancels.fetch_sub(1, Ordering::SeqCst);
            drop(delivered);
        });
    }

    /// Whether a cancel request is on its way.
    pub(super) fn is_being_cancelled(&self) -> bool {
        self.cancels.load(Ordering::SeqCst) > 0
    }
}

/// Held until a cancel request has reached its server, or has nowhere to go.
pub(crate) type Delivered = tokio::sync::oneshot::Sender<()>;

/// Everything but the stream.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) card: Arc<Card>,
    pub(crate) state: ServerState,
    /// Received and not used yet: part of a message.
    pub(crate) inbox: Vec<u8>,
    /// To be sent yet.
    pub(crate) outbox: Vec<u8>,
    pub(crate) used: Cell<Moment>,
    /// When it is too old; `None` for never.
    expires: Option<Moment>,
    /// Tells when its user is about to go.
    retired: Option<Arc<Retired>>,
    /// Held for as long as the connection is.
    pub(super) permit: Option<Permit>,
}

/// A server connection between two workers.
#[derive(Debug)]
pub(crate) struct Parted {
    stream: Detached,
    about: Box<About>,
}

/// Whether a server connection that nobody uses is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Alive,
    /// The server closed it, or said something that it must not say unasked.
    Dead,
}

impl Server {
    pub(crate) fn new(
        connection: Connection,
        permit: Option<Permit>,
        generation: u64,
        endpoint: &str,
        statements: NonZeroUsize,
        lifetime: Option<Duration>,
        opened_with: Opening,
    ) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let opened = Moment::now();
        // Connections opened together must not all end together.
        let expires = lifetime.map(|lifetime| {
            let micros = u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX);
            let spread = (micros / 10).max(1);
            let early = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) % spread;
            Moment::from_micros(opened.micros().saturating_add(micros - early))
        });
        let peer = *connection.stream.peer();
        let tls = connection.stream.tls();
        let tls = tls.map(|info| format!("{} {}", info.version, info.cipher).into());
        Self {
            stream: connection.stream,
            about: Box::new(About {
                card: Arc::new(Card {
                    id,
                    pid: connection.key.as_ref().map(|(pid, _)| *pid),
                    opened,
                    generation,
                    endpoint: endpoint.into(),
                    peer,
                    tls,
                    cancel: connection.cancel,
                    cancels: AtomicUsize::new(0),
                }),
                state: ServerState::new(connection.parameters, statements, opened_with),
                inbox: connection.leftover,
                outbox: Vec::new(),
                used: Cell::new(opened),
                expires,
                retired: connection.retired,
                permit,
            }),
        }
    }

    /// Whether a client can have it whose server connection has to be opened with `wants`.
    #[inline]
    pub(super) fn fits(&self, wants: &Opening) -> bool {
        self.about.state.opened_with == *wants
    }

    pub(crate) fn is_expired(&self, now: Moment) -> bool {
        self.about.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether its user is about to go.
    #[inline]
    pub(super) fn is_retired(&self) -> bool {
        let retired = self.about.retired.as_ref();
        retired.is_some_and(|retired| retired.is_retired())
    }

    /// Whether a client has had it.
    pub(super) fn was_used(&self) -> bool {
        self.about.used.get() > self.about.card.opened
    }

    /// Whether a cancel request is on its way to it.
    pub(crate) fn is_being_cancelled(&self) -> bool {
        self.about.card.is_being_cancelled()
    }

    /// Looks at a connection that nobody uses. No system call when nothing has arrived.
    #[inline]
    pub(crate) fn health(&mut self) -> Health {
        if self.stream.is_read_ready() {
            self.listen()
        } else {
            Health::Alive
        }
    }

    #[cold]
    fn listen(&mut self) -> Health {
        let mut scratch = [0; 4096];
        while self.stream.is_read_ready() {
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return Health::Dead,
                Ok(count) => self.about.inbox.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return Health::Dead,
            }
            if !self.take_unasked() || self.about.inbox.len() > MAX_UNASKED {
                return Health::Dead;
            }
        }
        Health::Alive
    }

    /// Takes the messages that a server may send unasked; `false` at any other.
    fn take_unasked(&mut self) -> bool {
        let inbox = std::mem::take(&mut self.about.inbox);
        let mut at = 0;
        loop {
            let header = match frame::header(&inbox[at..]) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(_) => return false,
            };
            let Some(message) = inbox.get(at..at + header.len) else {
                break;
            };
            match header.tag {
                tag::PARAMETER_STATUS => {
                    let Ok(parameter) = backend::ParameterStatus::decode(&message[frame::HEADER..])
                    else {
                        return false;
                    };
                    self.about
                        .state
                        .report(parameter.name, &parameter.value_str());
                }
                // A server that is going away says so before it closes the connection.
                tag::NOTICE_RESPONSE => {
                    if backend::ErrorView::new(&message[frame::HEADER..]).is_shutdown() {
                        return false;
                    }
                }
                _ => return false,
            }
            at += header.len;
        }
        self.about.inbox = inbox[at..].to_vec();
        true
    }

    /// Takes it off this worker, so that another can have it.
    pub(crate) fn part(mut self) -> std::io::Result<Parted> {
        self.about.inbox.shrink_to_fit();
        Ok(Parted {
            stream: self.stream.detach()?,
            about: self.about,
        })
    }

    /// Tells the server that it is over. What cannot be sent at once is not sent.
    pub(crate) fn close(mut self) {
        let mut goodbye = Vec::new();
        frontend::write_terminate(&mut goodbye);
        let _ = self.stream.try_write(&goodbye);
        self.stream.shutdown_now();
    }
}

impl Parted {
    pub(crate) fn attach(self) -> std::io::Result<Server> {
        Ok(Server {
            stream: self.stream.attach()?,
            about: self.about,
        })
    }
}
