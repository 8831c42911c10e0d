//! Whether multixact ids run out.

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-007",
    layer: Layer::Capacity,
    title: "multixact ids are far from running out",
    why: "Rows that several transactions lock take multixact ids. When these run out, every write is refused until a vacuum is done.",
    needs: "a session",
    judge,
};

/// Half of 2^32: then the server takes no more writes.
const LAST: f64 = 2_147_483_648.0;
const WARN: i64 = 1_000_000_000;
const FAIL: i64 = 1_800_000_000;

fn judge(on: Ground<'_>) -> Outcome {
    let (database, age) = &on.capacity()?.oldest_multixact;
    let seen = format!("database \"{database}\" has used {:.0} % of its multixact ids", *age as f64 / LAST * 100.0);
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
