//! Whether the target knows all that the source knows.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-020",
    layer: Layer::Move,
    title: "the target is no older than the source",
    why: "What a newer version can do, an older one may not know: a kind of index, an option of a table, a function that a default calls.",
    needs: "--for move --to",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (here, there) = (on.server()?, &on.target()?.server);
    let seen = format!(
        "{} here, {} at the target",
        here.version_number(),
        there.version_number()
    );
    Ok(match there.major() < here.major() {
        false => pass(seen),
        true => warn(seen).hint(format!(
            "choose version {} or newer for the target",
            here.major()
        )),
    })
}
