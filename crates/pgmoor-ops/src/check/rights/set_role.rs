//! Whether the login can take on another role.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-006",
    layer: Layer::Rights,
    title: "the login is a member of the role it takes on",
    why: "An application that says SET ROLE in each session fails at the first one.",
    needs: "an application that takes on another role",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if !on.asked.requirement.needs(Right::SetRole) {
        return skip("the application takes on no other role");
    }
    let rights = on.rights()?;
    let own: Vec<&str> = rights.member_of.iter().map(String::as_str).filter(|name| !["pg_", "rds_", "cloudsql", "alloydb", "azure_"].iter().any(|vendors| name.starts_with(vendors))).collect();
    if rights.role.is_superuser || !own.is_empty() {
        return Ok(pass(format!("\"{}\" is a member of {}", rights.user, own.join(", "))));
    }
    Ok(fail(format!("\"{}\" is a member of no role", rights.user))
        .hint(format!("GRANT owner_role TO {}", identifier(&rights.user))))
}
