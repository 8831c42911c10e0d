//! Whether sessions wait in the middle of a transaction.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-010",
    layer: Layer::Capacity,
    title: "few sessions idle within a transaction",
    why: "Such a session holds locks and keeps old rows alive while it does nothing: mostly a program that forgot to commit.",
    needs: "a login that sees other sessions",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let facts = on.capacity()?;
    if facts.is_blind() {
        return skip("the login does not see other sessions: GRANT pg_monitor would let it");
    }
    let connections = &facts.connections;
    if connections.used == 0 {
        return skip("nobody else is connected");
    }
    let seen = format!("{} of {} sessions", connections.idle_in_transaction, connections.used);
    Ok(match connections.idle_in_transaction > 3 && connections.idle_in_transaction * 4 > connections.used {
        true => warn(seen).hint_text("find the program (pg_stat_activity, state 'idle in transaction'); idle_in_transaction_session_timeout ends such sessions"),
        false => pass(seen),
    })
}
