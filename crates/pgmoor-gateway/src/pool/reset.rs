//! The one door back into the pool: what a server connection needs before somebody else gets it.

use std::time::Duration;

use pgmoor_wire::backend::TransactionStatus;
use pgmoor_wire::{frame, frontend, tag};
use tokio::time::timeout;

use super::server::Server;
use super::suspects::Rest;

/// In what state a client leaves its server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is left behind.
    Clean,
    /// Every answer is counted, but state may be left behind, perhaps also an open transaction.
    Used,
    /// Nobody can tell what it will say next: it is closed when its process has ended. The word
    /// goes to the log.
    Unusable(&'static str, Rest),
    /// It is gone already; whether its process has ended is known or not.
    Gone { proven: bool },
}

/// Rolls back what is open and discards the session's state.
///
/// # Errors
///
/// Why the connection cannot be used again.
pub(super) async fn reset(server: &mut Server, limit: Duration) -> Result<(), &'static str> {
    let mut out = std::mem::take(&mut server.about.outbox);
    let mut answers = 1;
    if server.about.state.status != TransactionStatus::Idle {
        // On its own: DISCARD ALL may not run inside a transaction.
        frontend::write_query(&mut out, "ROLLBACK").map_err(|_| "reset_failed")?;
        answers += 1;
    }
    frontend::write_query(&mut out, "DISCARD ALL").map_err(|_| "reset_failed")?;
    match timeout(limit, exchange(server, &out, answers)).await {
        Ok(true) => {
            server.about.state.status = TransactionStatus::Idle;
            server.about.state.discarded();
            Ok(())
        }
        Ok(false) => Err("reset_failed"),
        Err(_) => Err("reset_timeout"),
    }
}

/// Sends and reads until so many ReadyForQuery; `true` when there was no error on the way.
async fn exchange(server: &mut Server, out: &[u8], mut answers: usize) -> bool {
    if server.stream.write_all(out).await.is_err() {
        return false;
    }
    let mut inbox = std::mem::take(&mut server.about.inbox);
    loop {
        let mut at = 0;
        while let Ok(Some(header)) = frame::header(&inbox[at..]) {
            let Some(message) = inbox.get(at..at + header.len) else {
                break;
            };
            match header.tag {
                tag::ERROR_RESPONSE => return false,
                tag::PARAMETER_STATUS => {
                    if let Ok(parameter) =
                        pgmoor_wire::backend::ParameterStatus::decode(&message[frame::HEADER..])
                    {
                        server
                            .about
                            .state
                            .report(parameter.name, &parameter.value_str());
                    }
                }
                tag::READY_FOR_QUERY => answers -= 1,
                _ => {}
            }
            at += header.len;
            if answers == 0 {
                let is_idle = message.last() == Some(&b'I');
                server.about.inbox = inbox[at..].to_vec();
                return is_idle && server.about.inbox.is_empty();
            }
        }
        inbox.drain(..at);
        match server.stream.read_onto(&mut inbox, 2048).await {
            Ok(1..) if inbox.len() < frame::MAX_MESSAGE => {}
            _ => return false,
        }
    }
}
