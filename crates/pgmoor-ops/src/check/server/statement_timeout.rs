//! Whether long statements are cut off.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-007",
    layer: Layer::Server,
    title: "statements may take as long as a migration does",
    why: "A migration that builds an index takes minutes. Cut off by statement_timeout it fails, and is tried again at each start.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(60);

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    match server.time("statement_timeout") {
        None => Ok(pass("statement_timeout is off")),
        Some(limit) if limit >= SHORT => Ok(pass(format!("statement_timeout is {}", duration(limit)))),
        Some(limit) => Ok(warn(format!("statement_timeout is {}: a migration that takes longer is cancelled", duration(limit)))
            .hint(undo(server, on, "statement_timeout", "0"))),
    }
}
