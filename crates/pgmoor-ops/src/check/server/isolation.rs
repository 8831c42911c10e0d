//! Whether transactions see what the application expects.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-013",
    layer: Layer::Server,
    title: "transactions are read committed unless they say otherwise",
    why: "Applications are written for READ COMMITTED. Under a stricter default they get serialization failures that they do not retry.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    let level = server.setting("default_transaction_isolation").unwrap_or("read committed");
    if level == "read committed" {
        return Ok(pass(level));
    }
    Ok(warn(format!("default_transaction_isolation is {level}"))
        .hint(undo(server, on, "default_transaction_isolation", "'read committed'")))
}
