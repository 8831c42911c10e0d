//! Whether the application's further databases are there.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-APP-001",
    layer: Layer::Application,
    title: "every database that the application needs is there",
    why: "An application with several databases starts with the first, and fails at the part that needs another.",
    needs: "an application with several databases",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    if rights.other_databases.is_empty() {
        return skip("the application has one database");
    }
    let missing: Vec<&str> = rights.other_databases.iter().filter(|other| !other.exists).map(|other| other.name.as_str()).collect();
    let closed: Vec<&str> = rights
        .other_databases
        .iter()
        .filter(|other| other.exists && !other.may_connect)
        .map(|other| other.name.as_str())
        .collect();
    let user = identifier(&rights.user);
    if let Some(first) = closed.first() {
        return Ok(fail(format!("\"{}\" may not connect to {}", rights.user, closed.join(", ")))
            .hint(format!("GRANT CONNECT ON DATABASE {} TO {user}", identifier(first))));
    }
    let Some(first) = missing.first() else {
        return Ok(pass(format!("{} further databases", rights.other_databases.len())));
    };
    let makes_them = on.asked.requirement.needs(Right::CreateDatabase)
        && (rights.role.may_create_databases || rights.role.is_superuser);
    let seen = format!("there is no database {}", missing.join(", "));
    Ok(match makes_them {
        true => pass(format!("{seen}; the application makes it")),
        false => fail(seen).hint(format!("CREATE DATABASE {} OWNER {user}", identifier(first))),
    })
}
