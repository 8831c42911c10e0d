//! Whether roles can be made.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-005",
    layer: Layer::Rights,
    title: "the login may make roles",
    why: "The application makes roles and stops where it cannot.",
    needs: "an application that wants it",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if !on.asked.requirement.needs(Right::CreateRole) {
        return skip("the application does not want it");
    }
    let rights = on.rights()?;
    if rights.role.is_superuser || rights.role.may_create_roles {
        return Ok(pass(format!("\"{}\" may", rights.user)));
    }
    let user = identifier(&rights.user);
    let grant = format!("ALTER ROLE {user} CREATEROLE");
    Ok(fail(format!("\"{}\" may not make roles", rights.user)).hint(grant))
}
