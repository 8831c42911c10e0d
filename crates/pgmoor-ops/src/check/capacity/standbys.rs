//! Whether standbys keep up.

use crate::check::verdict::{pass, skip, warn};
use crate::check::words::bytes;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-005",
    layer: Layer::Capacity,
    title: "standbys keep up",
    why: "What a standby has not received is lost when it has to take over.",
    needs: "a primary with standbys that the login may see",
    judge,
};

const LATE_BYTES: i64 = 256 << 20;
const LATE_SECONDS: f64 = 30.0;

fn judge(on: Ground<'_>) -> Outcome {
    let facts = on.capacity()?;
    if on.server()?.is_standby {
        return skip("it is a standby itself");
    }
    if facts.standbys.is_empty() {
        return skip(match facts.sees_others {
            true => "it has no standby",
            false => "the login sees no standby: GRANT pg_monitor would let it",
        });
    }
    let mut late = Vec::new();
    let mut fine = Vec::new();
    for standby in &facts.standbys {
        let lag = standby.lag_bytes.unwrap_or_default();
        let seconds = standby.lag_seconds.unwrap_or_default();
        let seen = format!("{} is {} behind ({seconds:.1} s), {}", standby.name, bytes(lag), standby.state);
        match lag > LATE_BYTES || seconds > LATE_SECONDS || standby.state != "streaming" {
            true => late.push(seen),
            false => fine.push(seen),
        }
    }
    Ok(match late.is_empty() {
        true => pass(fine.join("; ")),
        false => warn(late.join("; ")).hint_text("look at the standby's disk, its network, and long queries on it (pg_stat_activity there)"),
    })
}
