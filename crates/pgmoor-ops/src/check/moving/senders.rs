//! Whether the server can send its changes.

use super::room;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-003",
    layer: Layer::Move,
    title: "a process that sends WAL is free",
    why: "Changes come through a WAL sender; without a free one the move cannot follow.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    room(on, "max_wal_senders", on.moving()?.senders_used)
}
