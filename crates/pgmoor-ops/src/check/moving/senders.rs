//! Whether the server can send its changes.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-003",
    layer: Layer::Move,
    title: "a process that sends WAL is free",
    why: "Changes come through a WAL sender; without a free one the move cannot follow.",
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
    let Some(most) = server.number("max_wal_senders") else {
        return skip("max_wal_senders is not shown");
    };
    let used = on.moving()?.senders_used;
    let wanted = used + WANTED + 2;
    let seen = format!("{used} of {most} (max_wal_senders) are in use");
    Ok(match most - used >= WANTED {
        true => pass(seen),
        false => fail(format!("{seen}; a move takes {WANTED}")).hint(match server.vendor.is_managed() {
            true => format!("set max_wal_senders to {wanted} in the parameters of the instance, which restarts it"),
            false => format!("ALTER SYSTEM SET max_wal_senders = {wanted}, and restart the server"),
        }),
    })
}
