//! Whether there are results that have to be computed again.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-009",
    layer: Layer::Move,
    title: "no materialized view has to be computed again",
    why: "Materialized views are not replicated; they are refreshed on the target before the cutover, which takes as long as their queries.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.materialized_views;
    Ok(match found.count {
        0 => pass("there are none"),
        count => warn(format!("{count} materialized views: {}", found.list())).hint_text(
            "nothing to do; plan the time that REFRESH MATERIALIZED VIEW takes",
        ),
    })
}
