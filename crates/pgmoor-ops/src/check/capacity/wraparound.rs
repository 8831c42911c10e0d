//! Whether transaction ids run out.

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-006",
    layer: Layer::Capacity,
    title: "transaction ids are far from running out",
    why: "A database that runs out of transaction ids refuses every write until it has been vacuumed, which takes hours.",
    needs: "a session",
    judge,
};

/// Half of 2^32: then the server takes no more writes.
const LAST: f64 = 2_147_483_648.0;
const WARN: i64 = 1_000_000_000;
const FAIL: i64 = 1_800_000_000;

fn judge(on: Ground<'_>) -> Outcome {
    let (database, age) = &on.capacity()?.oldest_xid;
    let seen = format!("database \"{database}\" has used {:.0} % of its transaction ids", *age as f64 / LAST * 100.0);
    let hint = format!(
        "find what holds vacuum up (old transactions, prepared ones, slots), then VACUUM (FREEZE) in database {}",
        identifier(database)
    );
    Ok(match *age {
        WARN.. if *age >= FAIL => fail(seen).hint(hint),
        WARN.. => warn(seen).hint(hint),
        _ => pass(seen),
    })
}
