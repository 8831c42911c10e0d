//! Whether there are tables whose data is elsewhere.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-008",
    layer: Layer::Move,
    title: "no table is foreign",
    why: "Only the definition of a foreign table can be moved; the target must reach its server too, and user mappings hold passwords.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.foreign_tables;
    Ok(match found.count {
        0 => pass("there are none"),
        count => warn(format!("{count} foreign tables: {}", found.list())).hint_text(
            "see that the target reaches the foreign servers, and make their user mappings there",
        ),
    })
}
