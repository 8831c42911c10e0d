//! Whether the schema is there.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-001",
    layer: Layer::Rights,
    title: "the schema that the application uses is there",
    why: "Without it the first table of the first migration cannot be made.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let wanted = &on.asked.requirement.schema;
    if let Some(schema) = &rights.schema {
        return Ok(pass(format!("schema \"{}\" of {}", schema.name, schema.owner)));
    }
    let create = format!("CREATE SCHEMA {} AUTHORIZATION {}", identifier(wanted), identifier(&rights.user));
    Ok(match rights.database.may_create && on.asked.requirement.needs(Right::CreateSchema) {
        true => pass(format!("schema \"{wanted}\" is not there; the application can make it")),
        false => fail(format!("there is no schema \"{wanted}\"")).hint(create),
    })
}
