//! Whether nothing is in the way at the target.

use crate::check::verdict::{pass, warn};
use crate::check::words::counted;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-024",
    layer: Layer::Move,
    title: "the target has no tables yet",
    why: "A move makes the tables at the target. One that is there already may be somebody's, or what an attempt left.",
    needs: "--for move --to",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let target = on.target()?;
    Ok(match target.tables {
        0 => pass(format!(
            "\"{}\" of {} is empty",
            target.database, target.name
        )),
        count => warn(format!(
            "there are {} in \"{}\" of {}",
            counted(count, "table"),
            target.database,
            target.name
        ))
        .hint_text(
            "is it the right database? move into an empty one, which pgmoor provision makes",
        ),
    })
}
