//! Whether transactions may write unless they say otherwise.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-004",
    layer: Layer::Server,
    title: "transactions may write",
    why: "With default_transaction_read_only the application starts, and fails at its first change.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    if server.setting("default_transaction_read_only") != Some("on") {
        return Ok(pass("default_transaction_read_only is off"));
    }
    Ok(fail("default_transaction_read_only is on").hint(undo(server, on, "default_transaction_read_only", "off")))
}
