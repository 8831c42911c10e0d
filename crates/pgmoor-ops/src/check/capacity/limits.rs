//! Whether the role and the database are let have so many connections.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-002",
    layer: Layer::Capacity,
    title: "no connection limit of role or database is in the way",
    why: "A CONNECTION LIMIT refuses connections that the server would have room for.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let total = on.budget().total();
    let limits = [
        (rights.role.connection_limit, "role", &rights.user, "ROLE"),
        (rights.database.connection_limit, "database", &rights.database.name, "DATABASE"),
    ];
    let too_low = limits.into_iter().find_map(|(limit, kind, name, keyword)| {
        let limit = limit.filter(|limit| *limit < total)?;
        Some((limit, kind, name, keyword))
    });
    let Some((limit, kind, name, keyword)) = too_low else {
        return Ok(pass("none is below what the application opens"));
    };
    Ok(fail(format!("the {kind} \"{name}\" may have {limit} connections; the application opens {total}"))
        .hint(format!("ALTER {keyword} {} CONNECTION LIMIT {total}", identifier(name))))
}
