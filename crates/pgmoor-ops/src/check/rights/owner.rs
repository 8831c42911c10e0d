//! Whose the tables are.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::{identifier, literal};

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-007",
    layer: Layer::Rights,
    title: "what is in the schema belongs to the login",
    why: "Only its owner can alter a table. After a change of the login, as from a password to a cloud identity, everything works until the next migration, which fails half-way.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    if on.asked.migrates_elsewhere {
        return skip("another login runs the migrations (schema.endpoint, schema.role)");
    }
    let total: i64 = rights.foreign_objects.iter().map(|foreign| foreign.count).sum();
    let Some(most) = rights.foreign_objects.first() else {
        return Ok(pass(format!("nothing in schema \"{}\" belongs to others", on.asked.requirement.schema)));
    };
    let seen = format!(
        "{total} objects of schema \"{}\" belong to others: {} to \"{}\", such as {}",
        on.asked.requirement.schema,
        most.count,
        most.owner,
        most.some.join(", ")
    );
    let user = identifier(&rights.user);
    let schema = literal(&on.asked.requirement.schema);
    // Not REASSIGN OWNED: that would take along what the owner has in other schemas and databases, and is
    // refused for the superuser that a server begins with.
    let hint = format!(
        "as \"{}\" or an administrator, who must be a member of \"{}\", in psql on database \"{}\": \
         SELECT format('ALTER TABLE %s OWNER TO {user}', oid::regclass) FROM pg_class \
         WHERE relnamespace = {schema}::regnamespace AND relowner = {}::regrole AND relkind IN ('r','p','v','m','f') \\gexec \
         (sequences of columns follow their tables; functions and types likewise by ALTER ROUTINE and ALTER TYPE)",
        most.owner,
        rights.user,
        rights.database.name,
        literal(&identifier(&most.owner)),
    );
    Ok(match on.asked.requirement.needs(Right::CreateTable) {
        true => fail(seen).hint(hint),
        false => warn(seen).hint(hint),
    })
}
