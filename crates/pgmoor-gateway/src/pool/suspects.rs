//! What may go on at the server when a client has gone: what becomes of it, and what of it is not known.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use super::server::Card;

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
