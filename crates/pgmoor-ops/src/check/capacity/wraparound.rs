//! Whether transaction ids run out.

use super::ids_left;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-006",
    layer: Layer::Capacity,
    title: "transaction ids are far from running out",
    why: "A database that runs out of transaction ids refuses every write until it has been vacuumed, which takes hours.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    ids_left(&on.capacity()?.oldest_xid, "transaction ids")
}
