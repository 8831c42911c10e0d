//! The end of a server connection whose client has gone in the middle of something.
//!
//! To close the socket ends nothing: PostgreSQL goes on with the statement, and commits it. So the
//! connection keeps its permit, what runs is cancelled, and the server's end of the connection is
//! waited for, which comes with the end of its process. What does not end in time is remembered.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use pgmoor::stream::Stream;
use pgmoor_wire::frontend;
use tokio::time::timeout;
use tracing::{info, warn};

use super::local::Pool;
use super::server::Server;
use super::shared::Database;
use super::suspects::{Rest, is_end};
use crate::clock::Moment;
use crate::transfer::{flush, read};

/// A request may come before the statement that it is to end, or between two: it is repeated, and
/// the time between two grows from the first to the last.
const REPEAT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How often it is looked whether what may run to its end has to end after all.
const GLANCE: Duration = Duration::from_millis(100);

impl Pool {
    /// Closes a server connection that may be in the middle of something.
    pub(super) fn discard(
        self: &Rc<Self>,
        mut server: Box<Server>,
        reason: &'static str,
        rest: Rest,
    ) {
        info!(server_id = server.about.card.id, pool = %self.name(), reason, "discarded server connection");
        self.counters.discards.add(reason);
        self.counters.closing_servers.change(1);
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            if !see_off(&mut server, rest, &pool.shared.database).await {
                pool.suspect(&server);
            }
            drop(server);
            pool.counters.closing_servers.change(-1);
            pool.help();
        });
    }

    pub(super) fn suspect(&self, server: &Server) {
        let card = &server.about.card;
        warn!(server_id = card.id, pool = %self.name(), pid = card.pid, endpoint = %card.endpoint, "server process was not seen to end: what it runs may still be done");
        self.shared.database.suspects.add(card);
    }
}

/// Waits for the end of the server's process; `false` when it was not seen.
async fn see_off(server: &mut Server, rest: Rest, database: &Database) -> bool {
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
            Some(_) if !card.is_being_cancelled() => card.clone().cancel(None),
            None if database.kills.load(Ordering::SeqCst) != kills => {
                since = Some(Moment::now());
                repeat = REPEAT.0;
                continue;
            }
            Some(_) | None => {}
        }
        if let Ok(outcome) = timeout(repeat, &mut end).await {
            return outcome.as_ref().err().is_none_or(is_end);
        }
        let longest = since.map_or(GLANCE, |_| REPEAT.1);
        repeat = (repeat * 2).min(longest).min(limit);
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
