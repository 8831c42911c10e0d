//! Whether texts may be in another order there.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-015",
    layer: Layer::Move,
    title: "no collation is of one's own",
    why: "A collation that exists only here has to be made on the target; where its library differs, so does the order of texts and what is unique.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.collations;
    Ok(match found.count {
        0 => pass("only those of PostgreSQL"),
        count => warn(format!("{count} collations of its own: {}", found.list())).hint_text(
            "compare the versions of libc or ICU of both servers; indexes are built on the target, by its order",
        ),
    })
}
