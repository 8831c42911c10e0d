//! Whether sessions are ended in the middle of a transaction.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-008",
    layer: Layer::Server,
    title: "transactions may pause",
    why: "An application that calls another service within a transaction loses its session, and what it had not committed.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(10);

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    match server.time("idle_in_transaction_session_timeout") {
        None => Ok(pass("idle_in_transaction_session_timeout is off")),
        Some(limit) if limit >= SHORT => Ok(pass(format!("idle_in_transaction_session_timeout is {}", duration(limit)))),
        Some(limit) => Ok(warn(format!("idle_in_transaction_session_timeout is {}: a transaction that pauses for longer loses its session", duration(limit)))
            .hint(undo(server, on, "idle_in_transaction_session_timeout", "0"))),
    }
}
