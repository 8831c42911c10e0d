//! Whether the order of texts is still the one that indexes were built by.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-006",
    layer: Layer::Server,
    title: "the collation is the one that indexes were built with",
    why: "When the library that sorts texts changes under a database, its indexes are in the wrong order: rows are not found, and unique is not unique.",
    needs: "a session; PostgreSQL 15 or newer for the default collation",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    let collation = &server.collation;
    let name = identifier(&on.session()?.database).into_owned();
    if let (Some(recorded), Some(actual)) = (&collation.recorded, &collation.actual)
        && recorded != actual
    {
        let seen = format!(
            "{} was made with version {recorded} of {}, which is {actual} now",
            collation.collate, collation.provider
        );
        return Ok(warn(seen).hint(format!(
            "REINDEX (CONCURRENTLY) DATABASE {name}; ALTER DATABASE {name} REFRESH COLLATION VERSION"
        )));
    }
    if let Some(first) = server.stale_collations.first() {
        let seen = format!("objects use collations of another version: {}", server.stale_collations.join(", "));
        return Ok(warn(seen).hint(format!(
            "rebuild the indexes that use them, then ALTER COLLATION {first} REFRESH VERSION"
        )));
    }
    if server.major() < 15 && !["C", "POSIX"].contains(&collation.collate.as_str()) {
        return skip("before PostgreSQL 15 the version of the default collation is not recorded");
    }
    Ok(pass(format!("{} by {}", collation.collate, collation.provider)))
}
