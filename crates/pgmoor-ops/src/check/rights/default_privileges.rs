//! Whether tables that others will make can be used.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-009",
    layer: Layer::Rights,
    title: "tables that another role makes later can be used",
    why: "Where one role migrates and another one runs the application, each new table is closed to the latter unless default privileges open it.",
    needs: "objects of another owner in the schema",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let owners: Vec<&str> = rights.foreign_objects.iter().map(|foreign| foreign.owner.as_str()).collect();
    if owners.is_empty() {
        return skip("nobody else makes tables there");
    }
    let user = &rights.user;
    let is_open = |owner: &&str| {
        rights.default_privileges.iter().any(|privilege| {
            privilege.owner == **owner
                && privilege.kind == 'r'
                && privilege.schema.as_ref().is_none_or(|schema| *schema == on.asked.requirement.schema)
                && privilege.is_for(user, &rights.member_of)
        })
    };
    let closed: Vec<&str> = owners.iter().copied().filter(|owner| !is_open(owner)).collect();
    let Some(first) = closed.first() else {
        return Ok(pass(format!("default privileges of {} open new tables to \"{user}\"", owners.join(", "))));
    };
    let schema = identifier(&on.asked.requirement.schema);
    Ok(warn(format!("tables that {} make later are closed to \"{user}\"", closed.join(", "))).hint(format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
        identifier(first),
        identifier(user)
    )))
}
