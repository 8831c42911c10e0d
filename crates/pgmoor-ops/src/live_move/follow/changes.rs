//! The changes of one side as they arrive, and what that side is told of how far they are done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pgmoor_wire::lsn::Lsn;
use pgmoor_wire::replication::{ReplicationMessage, StandbyStatus};
use pgmoor_wire::tag;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::live_move::error::MoveError;
use crate::live_move::side::Side;
use crate::sql::literal;
use crate::wire_session::{ServerError, WireError, WireSession};

/// How often the sending side is told where we are.
const STATUS: Duration = Duration::from_secs(1);
/// After so long a silence the sending side is asked whether it is there...
const SILENCE: Duration = Duration::from_secs(20);
/// ...and given up after so long a one.
const DEAD: Duration = Duration::from_secs(60);
/// Bytes of changes that are handed over at once; a larger change is handed over alone.
const CHUNK: usize = 256 * 1024;
/// Chunks that wait to be done; then nothing more is read.
const WAITING: usize = 4;
/// The largest change, in bytes: PostgreSQL itself makes none that is longer than its largest allocation.
const LARGEST: usize = 0x4000_0000;
/// From 1970 to 2000, which PostgreSQL counts from.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// Some changes, in order.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// All of the log before this has been sent.
    pub(super) sent: Lsn,
    /// The place of the sending side's log when it said so.
    pub(super) log: Lsn,
}

impl Chunk {
    /// The change at this place.
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }

    fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        self.ends.push(self.bytes.len());
    }
}

/// The changes of a slot, from a place on.
#[derive(Debug)]
pub(super) struct Changes {
    receiver: mpsc::Receiver<Result<Chunk, MoveError>>,
    safe: Arc<AtomicU64>,
    reader: JoinHandle<()>,
    /// The server process that sends.
    pub(super) pid: Option<i32>,
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Changes {
    /// Has the slot send what is behind `from`.
    ///
    /// # Errors
    /// The server does not send, or somebody else reads this slot.
    pub(super) async fn open(
        side: &Side,
        slot: &str,
        publication: &str,
        from: Lsn,
    ) -> Result<Self, MoveError> {
        let mut session = side.replication().await?;
        session.largest_message(LARGEST);
        session.patience(DEAD);
        let sql = format!(
            "START_REPLICATION SLOT \"{slot}\" LOGICAL {from} (proto_version '1', publication_names {})",
            literal(&format!("\"{publication}\""))
        );
        session.start_copy_both(&sql).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let pid = session.pid;
        let safe = Arc::new(AtomicU64::new(from.0));
        let reader = Reader {
            session,
            endpoint: side.endpoint.clone(),
            safe: safe.clone(),
            sent: from,
            next_status: Instant::now(),
            heard: Instant::now(),
        };
        Ok(Self {
            receiver,
            safe,
            reader: tokio::spawn(reader.run(sender)),
            pid,
        })
    }

    /// The next changes; `None` when none have come by then.
    ///
    /// # Errors
    /// Why there will be no more.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Chunk>, MoveError> {
        match timeout_at(until, self.receiver.recv()).await {
            Err(_) => Ok(None),
            Ok(Some(outcome)) => outcome.map(Some),
            Ok(None) => Err(MoveError::Stream {
                endpoint: String::new(),
                why: "the reader of the changes has ended".into(),
            }),
        }
    }

    /// Changes that are here already.
    pub(super) fn has_more(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// All before this place is done for good: the sending side may forget it.
    pub(super) fn is_safe(&self, place: Lsn) {
        self.safe.fetch_max(place.0, Ordering::Relaxed);
    }
}

struct Reader {
    session: WireSession,
    endpoint: String,
    safe: Arc<AtomicU64>,
    sent: Lsn,
    next_status: Instant,
    heard: Instant,
}

impl Reader {
    async fn run(mut self, sender: mpsc::Sender<Result<Chunk, MoveError>>) {
        let outcome = self.read(&sender).await;
        if let Err(error) = outcome {
            let _ = sender.send(Err(error)).await;
        }
    }

    async fn read(
        &mut self,
        sender: &mpsc::Sender<Result<Chunk, MoveError>>,
    ) -> Result<(), MoveError> {
        loop {
            let mut chunk = Chunk::default();
            let mut is_told = false;
            while !is_told && chunk.bytes.len() < CHUNK {
                self.status(false).await?;
                let message = self.session.next_message_until(self.next_status).await?;
                let Some(message) = message else {
                    if self.heard.elapsed() > DEAD {
                        return Err(self.ended("it has fallen silent"));
                    }
                    continue;
                };
                self.heard = Instant::now();
                let body = match message.tag {
                    tag::COPY_DATA => message.body,
                    tag::ERROR_RESPONSE => {
                        let error = ServerError::read(message.body);
                        return Err(WireError::Server(Box::new(error)).into());
                    }
                    _ => return Err(self.ended("it ended the stream")),
                };
                let message = ReplicationMessage::decode(body);
                let wants_reply = match message.map_err(|error| error.to_string()) {
                    Ok(ReplicationMessage::XLogData {
                        start, end, data, ..
                    }) => {
                        chunk.push(data);
                        chunk.log = chunk.log.max(end);
                        self.sent = self.sent.max(start);
                        false
                    }
                    Ok(ReplicationMessage::Keepalive {
                        end, wants_reply, ..
                    }) => {
                        self.sent = self.sent.max(end);
                        chunk.log = chunk.log.max(end);
                        is_told = true;
                        wants_reply
                    }
                    Err(why) => return Err(self.broken(&why)),
                };
                if wants_reply {
                    self.status(true).await?;
                }
                is_told |= !chunk.ends.is_empty() && !self.session.has_arrived();
            }
            // What is at the place of the last change itself may go on: only a keepalive says that all was sent.
            chunk.sent = if chunk.ends.is_empty() {
                self.sent
            } else {
                Lsn::ZERO
            };
            if !self.hand_over(chunk, sender).await? {
                return Ok(());
            }
        }
    }

    /// Waits until there is room, and tells the sending side meanwhile that we are there; false when nobody wants
    /// changes any more.
    async fn hand_over(
        &mut self,
        chunk: Chunk,
        sender: &mpsc::Sender<Result<Chunk, MoveError>>,
    ) -> Result<bool, MoveError> {
        loop {
            match timeout_at(self.next_status, sender.reserve()).await {
                Ok(Ok(permit)) => {
                    permit.send(Ok(chunk));
                    return Ok(true);
                }
                Ok(Err(_)) => return Ok(false),
                Err(_) => self.status(false).await?,
            }
            self.heard = Instant::now();
        }
    }

    /// Says where we are, if it is time or wanted.
    async fn status(&mut self, is_wanted: bool) -> Result<(), MoveError> {
        let now = Instant::now();
        if now < self.next_status && !is_wanted {
            return Ok(());
        }
        self.next_status = now + STATUS;
        let safe = Lsn(self.safe.load(Ordering::Relaxed));
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + EPOCH);
        let status = StandbyStatus {
            written: self.sent.max(safe),
            flushed: safe,
            applied: safe,
            at: at.map_or(0, |at| i64::try_from(at.as_micros()).unwrap_or(i64::MAX)),
            wants_reply: self.heard.elapsed() > SILENCE,
        };
        let mut bytes = Vec::with_capacity(64);
        status.write(&mut bytes);
        Ok(self.session.send(&bytes).await?)
    }

    fn ended(&self, why: &'static str) -> MoveError {
        MoveError::Ended {
            endpoint: self.endpoint.clone(),
            why,
        }
    }

    fn broken(&self, why: &str) -> MoveError {
        MoveError::Stream {
            endpoint: self.endpoint.clone(),
            why: why.to_owned(),
        }
    }
}
