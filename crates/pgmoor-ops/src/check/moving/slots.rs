//! Whether there is a replication slot for the move.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-002",
    layer: Layer::Move,
    title: "a replication slot is free",
    why: "The slot keeps the changes that are made during the copy.",
    needs: "a session, and --for move",
    judge,
};

/// One to follow, and one for the initial copy of a table that is taken again.
const WANTED: i64 = 2;

fn judge(on: Ground<'_>) -> Outcome {
    if !on.asked.for_move {
        return skip("not asked for; add --for move");
    }

    let server = on.server()?;
    let Some(most) = server.number("max_replication_slots") else {
        return skip("max_replication_slots is not shown");
    };
    let used = on.moving()?.slots_used;
    let wanted = used + WANTED + 2;
    let seen = format!("{used} of {most} (max_replication_slots) are in use");
    Ok(match most - used >= WANTED {
        true => pass(seen),
        false => fail(format!("{seen}; a move takes {WANTED}")).hint(match server.vendor.is_managed() {
            true => format!("set max_replication_slots to {wanted} in the parameters of the instance, which restarts it"),
            false => format!("ALTER SYSTEM SET max_replication_slots = {wanted}, and restart the server"),
        }),
    })
}
