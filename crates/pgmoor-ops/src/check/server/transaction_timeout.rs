//! Whether long transactions are ended.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-010",
    layer: Layer::Server,
    title: "transactions may take as long as a migration does",
    why: "A migration is one transaction. With transaction_timeout a long one loses its session and is undone.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(60);

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    match server.time("transaction_timeout") {
        None => Ok(pass("transaction_timeout is off")),
        Some(limit) if limit >= SHORT => Ok(pass(format!("transaction_timeout is {}", duration(limit)))),
        Some(limit) => Ok(warn(format!("transaction_timeout is {}: a migration that takes longer loses its session", duration(limit)))
            .hint(undo(server, on, "transaction_timeout", "0"))),
    }
}
