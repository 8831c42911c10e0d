//! Whether a transaction is open for very long.

use std::time::Duration;

use crate::check::verdict::{pass, skip, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-009",
    layer: Layer::Capacity,
    title: "no transaction is open for very long",
    why: "Nothing that changed since its begin can be cleaned up: tables grow, and everything gets slower.",
    needs: "a session",
    judge,
};

const LONG: Duration = Duration::from_secs(3600);

fn judge(on: Ground<'_>) -> Outcome {
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
        true => warn(seen).hint_text(
            "SELECT pid, usename, application_name, state, xact_start, query FROM pg_stat_activity WHERE backend_type = 'client backend' ORDER BY xact_start LIMIT 5; look what it is, and if nobody needs it: pg_terminate_backend(pid)",
        ),
        false => pass(seen),
    })
}
