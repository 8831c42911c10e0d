//! Whether triggers watch changes of the schema.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-010",
    layer: Layer::Move,
    title: "no event trigger is in the way",
    why: "Event triggers fire for what the move makes on the target, and only a superuser can make them there.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.event_triggers;
    Ok(match found.count {
        0 => pass("there are none"),
        count => warn(format!("{count} event triggers: {}", found.list())).hint_text(
            "make them on the target after the cutover, as a superuser",
        ),
    })
}
