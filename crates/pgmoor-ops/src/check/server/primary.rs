//! Whether the server can be written to at all.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-003",
    layer: Layer::Server,
    title: "the server is a primary",
    why: "A standby refuses every write: the application starts, and fails at its first change.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    match on.server()?.is_standby {
        false => Ok(pass("it is a primary")),
        true => Ok(fail("it is a standby, and read-only").hint_text(
            "connect to the primary: use the writer endpoint, or list all hosts and add target_session_attrs=read-write",
        )),
    }
}
