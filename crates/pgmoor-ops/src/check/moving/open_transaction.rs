//! Whether the start would have to wait.

use std::time::Duration;

use crate::check::verdict::{pass, skip, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-017",
    layer: Layer::Move,
    title: "no transaction keeps the move from starting",
    why: "A slot is made only when all transactions of before have ended: a long one holds the move up.",
    needs: "a session, and --for move",
    judge,
};

const LONG: Duration = Duration::from_secs(60);

fn judge(on: Ground<'_>) -> Outcome {
    on.moving()?;
    let facts = on.capacity()?;
    let Some(began) = facts.oldest_transaction else {
        if facts.is_blind() {
            return skip("the login does not see other sessions: GRANT pg_monitor would let it");
        }
        return Ok(pass("no other session that the login sees has one open"));
    };
    let open = on.asked.now.duration_since(began).unwrap_or_default();
    let seen = format!("the oldest transaction of other sessions is open for {}", duration(open));
    Ok(match open > LONG {
        true => warn(seen).hint_text("wait for it, or end it by pg_terminate_backend(pid)"),
        false => pass(seen),
    })
}
