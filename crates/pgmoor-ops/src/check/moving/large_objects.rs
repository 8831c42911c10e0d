//! Whether there are large objects.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-016",
    layer: Layer::Move,
    title: "there are no large objects",
    why: "Large objects are not replicated: they are copied at the start and compared again in the pause of the cutover.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    Ok(match on.moving()?.large_objects {
        0 => pass("there are none"),
        count => warn(format!("{count} large objects")).hint_text(
            "keep their number small, or expect a longer pause; vacuumlo removes those that nothing refers to",
        ),
    })
}
