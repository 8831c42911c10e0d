//! Whether tables can be made.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-002",
    layer: Layer::Rights,
    title: "the login may make tables in its schema",
    why: "Migrations make tables. From PostgreSQL 15 on not everybody may do so in the schema public.",
    needs: "a schema that is there",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    if on.asked.migrates_elsewhere {
        return skip("another login runs the migrations (schema.endpoint, schema.role)");
    }
    let Some(schema) = &rights.schema else {
        return skip("there is no such schema");
    };
    let (name, user) = (identifier(&schema.name), identifier(&rights.user));
    let missing: Vec<&str> = [("USAGE", schema.may_use), ("CREATE", schema.may_create)]
        .into_iter()
        .filter(|(_, has)| !has)
        .map(|(right, _)| right)
        .collect();
    if missing.is_empty() {
        return Ok(pass(format!("\"{}\" may use and create in schema \"{}\"", rights.user, schema.name)));
    }
    let missing = missing.join(", ");
    Ok(fail(format!("\"{}\" has not {missing} on schema \"{}\"", rights.user, schema.name)).hint(format!(
        "as {}: GRANT {missing} ON SCHEMA {name} TO {user}",
        // That role is whoever owns the database: nobody can log in as it.
        match schema.owner.as_str() {
            "pg_database_owner" => &rights.database.owner,
            owner => owner,
        }
    )))
}
