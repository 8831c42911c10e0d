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

/// What has an owner, of the kinds that an application has; sequences of columns follow their tables.
const OBJECTS: &str = "SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass::text, relowner, relnamespace, 'pg_class'::regclass, oid \
    FROM pg_class WHERE relkind IN ('r','p','v','m','f','S') \
    UNION ALL SELECT 'ROUTINE', oid::regprocedure::text, proowner, pronamespace, 'pg_proc'::regclass, oid FROM pg_proc \
    UNION ALL SELECT 'TYPE', oid::regtype::text, typowner, typnamespace, 'pg_type'::regclass, oid FROM pg_type \
    WHERE typtype IN ('e','d','r') OR typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c')";

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    if on.asked.migrates_elsewhere {
        return skip("another login runs the migrations (schema.endpoint, schema.role)");
    }
    let total: i64 = rights
        .foreign_objects
        .iter()
        .map(|foreign| foreign.count)
        .sum();
    let Some(most) = rights.foreign_objects.first() else {
        return Ok(pass(format!(
            "nothing in schema \"{}\" belongs to others",
            on.asked.requirement.schema
        )));
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
         SELECT format('ALTER %s %s OWNER TO {user}', kind, name) FROM ({OBJECTS}) o(kind, name, owner, schema, class, object) \
         WHERE schema = {schema}::regnamespace AND owner = {}::regrole AND NOT EXISTS (SELECT FROM pg_depend d \
         WHERE d.classid = class AND d.objid = object AND d.deptype IN ('e', CASE kind WHEN 'SEQUENCE' THEN 'a' END, \
         CASE kind WHEN 'SEQUENCE' THEN 'i' END)) \\gexec \
         (or by the configuration: pgmoor provision apply --take-over; it takes along what is in other schemas)",
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
