//! Whether rows are hidden from the login.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-012",
    layer: Layer::Move,
    title: "no row is hidden from the login",
    why: "Under row-level security a copy has only the rows that the policies show: the rest would be lost without a word.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.hidden_by_rls;
    Ok(match found.count {
        0 => pass("row-level security hides nothing"),
        count => fail(format!("{count} tables hide rows from the login: {}", found.list())).hint_text(
            "move with the login of their owner or a role with BYPASSRLS",
        ),
    })
}
