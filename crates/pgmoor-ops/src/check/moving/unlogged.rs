//! Whether there are tables that the WAL knows nothing of.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-007",
    layer: Layer::Move,
    title: "no table is unlogged",
    why: "Changes of an unlogged table are not in the WAL: it is copied once, in the pause of the cutover.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.unlogged;
    Ok(match found.count {
        0 => pass("there are none"),
        count => warn(format!("{count} unlogged tables: {}", found.list())).hint_text(
            "ALTER TABLE … SET LOGGED, or accept that they are copied within the pause",
        ),
    })
}
