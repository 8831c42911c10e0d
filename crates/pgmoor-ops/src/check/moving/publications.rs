//! Whether others follow this database.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-011",
    layer: Layer::Move,
    title: "nobody else follows this database",
    why: "Publications can be made anew on the target, but who follows them has to begin again there.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.publications;
    Ok(match found.count {
        0 => pass("there are none"),
        count => warn(format!("{count} publications: {}", found.list())).hint_text(
            "plan with those who subscribe; their slots stay on the source",
        ),
    })
}
