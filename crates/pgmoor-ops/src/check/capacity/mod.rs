//! How much room there is.

checks!(
    connections,
    limits,
    memory,
    statements,
    standbys,
    wraparound,
    multixact,
    slots,
    transactions,
    idle_in_transaction,
    sequences,
);

use super::Outcome;
use super::verdict::{fail, pass, warn};
use crate::sql::identifier;

/// Half of 2^32: then the server takes no more writes.
const LAST_ID: f64 = 2_147_483_648.0;
const WARN_AT: i64 = 1_000_000_000;
const FAIL_AT: i64 = 1_800_000_000;

/// Whether the database that has used most of its ids, and so many, is far from their end.
fn ids_left((database, used): &(String, i64), what: &str) -> Outcome {
    let share = *used as f64 / LAST_ID * 100.0;
    let seen = format!("database \"{database}\" has used {share:.0} % of its {what}");
    let hint = format!(
        "find what holds vacuum up (old transactions, prepared ones, slots), then VACUUM (FREEZE) in database {}",
        identifier(database)
    );
    Ok(match *used {
        FAIL_AT.. => fail(seen).hint(hint),
        WARN_AT.. => warn(seen).hint(hint),
        _ => pass(seen),
    })
}
