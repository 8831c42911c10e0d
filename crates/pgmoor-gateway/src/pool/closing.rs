//! The end of a server connection whose client has gone in the middle of something.
//!
//! To close the socket ends nothing: PostgreSQL goes on with the statement, and commits it. So the
//! connection keeps its permit, what runs is cancelled, and the server's end of the connection is
//! waited for, which comes with the end of its process. What does not end in time is remembered.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use pgmoor::stream::Stream;
use pgmoor_wire::frontend;
use tokio::time::timeout;

use super::server::{Card, Server};
use super::shared::Database;
use crate::clock::Moment;
use crate::transfer::{flush, read};

/// A request may come before the statement that it is to end, or between two: it is repeated, and
/// the time between two grows from the first to the last.
const REPEAT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Of more server processes than this only the number is not lost.
const MAX_UNPROVEN: usize = 100;

/// What becomes of that which the client has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is done to its end, as PostgreSQL does for a client that has said goodbye.
    Finish,
    /// It is cancelled.
    Cancel,
}

/// A server process that may still be at work for a client that has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// Its number at the server.
    pub pid: Option<i32>,
    /// The endpoint.
    pub endpoint: Arc<str>,
}

/// The server processes of a database that were not seen to end.
#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<Vec<Unproven>>);

impl Suspects {
    pub(super) fn add(&self, card: &Card) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_UNPROVEN {
            all.push(Unproven {
                pid: card.pid,
                endpoint: card.endpoint.clone(),
            });
        }
    }

    pub(crate) fn all(&self) -> Vec<Unproven> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    pub(crate) fn forget(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clear();
    }
}

/// Whether a connection that broke like this shows that the server's process has ended: its kernel
/// says so, as opposed to nobody answering.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// Waits for the end of the server's process; `false` when it was not seen.
pub(super) async fn see_off(server: &mut Server, rest: Rest, database: &Database) -> bool {
    let card = server.about.card.clone();
    let kills = database.kills.load(Ordering::SeqCst);
    let limit = database.settings.load().cancel_timeout;
    let outbox = &mut server.about.outbox;
    match rest {
        Rest::Finish => frontend::write_terminate(outbox),
        // Perhaps a part of a message, and nobody is left to want it.
        Rest::Cancel => outbox.clear(),
    }
    let mut since = (rest == Rest::Cancel).then(Moment::now);
    let mut repeat = REPEAT.0;
    let mut end = std::pin::pin!(end_of(&mut server.stream, outbox));
    loop {
        match since {
            Some(since) if since.elapsed() >= limit => return false,
            Some(_) => {
                if !card.is_being_cancelled() {
                    card.clone().cancel(None);
                }
                repeat = (repeat * 2).min(REPEAT.1).min(limit);
            }
            None if database.kills.load(Ordering::SeqCst) != kills => {
                since = Some(Moment::now());
                continue;
            }
            None => {}
        }
        if let Ok(outcome) = timeout(repeat, &mut end).await {
            return outcome.as_ref().err().is_none_or(is_end);
        }
    }
}

/// Says the last word, and reads until the server has ended its half, too.
async fn end_of(stream: &mut Stream, outbox: &mut Vec<u8>) -> io::Result<()> {
    let mut scratch = [0; 4096];
    let mut is_said = false;
    std::future::poll_fn(|cx| {
        if !is_said && !matches!(flush(stream, cx, outbox), Ok(false)) {
            is_said = true;
            stream.shutdown_now();
        }
        loop {
            match read(stream, cx, &mut scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    })
    .await
}
