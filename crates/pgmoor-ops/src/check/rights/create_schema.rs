//! Whether schemas can be made.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-003",
    layer: Layer::Rights,
    title: "the login may make schemas",
    why: "The application makes schemas of its own and stops where it cannot.",
    needs: "an application that wants it",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if !on.asked.requirement.needs(Right::CreateSchema) {
        return skip("the application does not want it");
    }
    let rights = on.rights()?;
    if rights.role.is_superuser || rights.database.may_create {
        return Ok(pass(format!("\"{}\" may", rights.user)));
    }
    let user = identifier(&rights.user);
    let database = identifier(&rights.database.name);
    let grant = format!("as {}: GRANT CREATE ON DATABASE {database} TO {user}", rights.database.owner);
    Ok(fail(format!("\"{}\" may not make schemas", rights.user)).hint(grant))
}
