//! Whether there is a replication slot for the move.

use super::room;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-002",
    layer: Layer::Move,
    title: "a replication slot is free",
    why: "The slot keeps the changes that are made during the copy.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    room(on, "max_replication_slots", on.moving()?.slots_used)
}
