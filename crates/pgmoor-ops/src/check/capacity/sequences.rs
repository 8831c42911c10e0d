//! Whether a sequence runs out of numbers.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-011",
    layer: Layer::Capacity,
    title: "no sequence is near its end",
    why: "When a sequence, or the integer column that it numbers, is at its end, every insert fails.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let Some((name, used)) = &on.capacity()?.fullest_sequence else {
        return skip("there is no sequence in use that the login may read");
    };
    let seen = format!("{name} has used {:.0} % of its numbers", used * 100.0);
    let hint = "make the column and its sequence bigint; ALTER COLUMN … TYPE bigint rewrites the table while nobody can use it, so on a large one add a bigint column, fill it in steps and swap them";
    Ok(match *used {
        0.9.. => fail(seen).hint_text(hint),
        0.75.. => warn(seen).hint_text(hint),
        _ => pass(seen),
    })
}
