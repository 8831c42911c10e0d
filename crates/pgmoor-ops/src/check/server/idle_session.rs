//! Whether the server ends idle sessions.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-009",
    layer: Layer::Server,
    title: "idle sessions are left alone",
    why: "A pool keeps connections open to use them again. A server that ends them gives the application broken connections.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(600);

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    match server.time("idle_session_timeout") {
        None => Ok(pass("idle_session_timeout is off")),
        Some(limit) if limit >= SHORT => Ok(pass(format!("idle_session_timeout is {}", duration(limit)))),
        Some(limit) => Ok(warn(format!("idle_session_timeout is {}: pooled connections that are idle for longer are ended", duration(limit)))
            .hint(undo(server, on, "idle_session_timeout", "0"))),
    }
}
