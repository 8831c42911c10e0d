//! Whether multixact ids run out.

use super::ids_left;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-007",
    layer: Layer::Capacity,
    title: "multixact ids are far from running out",
    why: "Rows that several transactions lock take multixact ids. When these run out, every write is refused until a vacuum is done.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    ids_left(&on.capacity()?.oldest_multixact, "multixact ids")
}
