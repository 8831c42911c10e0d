//! Whether waiting for a lock is cut short.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-011",
    layer: Layer::Server,
    title: "statements may wait for a lock",
    why: "With a short lock_timeout ordinary statements fail while another transaction is at work on the same rows.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(1);

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    match server.time("lock_timeout") {
        None => Ok(pass("lock_timeout is off")),
        Some(limit) if limit >= SHORT => Ok(pass(format!("lock_timeout is {}", duration(limit)))),
        Some(limit) => Ok(warn(format!("lock_timeout is {}: statements that wait for longer fail", duration(limit)))
            .hint(undo(server, on, "lock_timeout", "0"))),
    }
}
