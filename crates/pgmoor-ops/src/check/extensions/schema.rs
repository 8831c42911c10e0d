//! Whether they are where the application looks for them.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-005",
    layer: Layer::Extensions,
    title: "installed extensions can be found by the application",
    why: "An extension is installed once in a database, in one schema. Where that is not on the search path, its types and operators do not exist for the application, and CREATE EXTENSION says that it exists already.",
    needs: "an application that needs extensions",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let requirement = &on.asked.requirement;
    let used = super::in_use(on)?;
    let facts = on.extensions()?;

    let rights = on.rights()?;
    let path = &rights.search_path_schemas;
    let installed = used.iter().filter_map(|(name, wanted)| {
        let known = facts.extensions.get(*name)?;
        Some((*name, wanted, known, known.schema.as_deref()?))
    });
    let mut found = Vec::new();
    for (name, wanted, known, schema) in installed {
        let target = match &wanted.schema {
            Some(target) if target != schema => target.as_str(),
            None if schema != "pg_catalog" && !path.iter().any(|on_path| on_path == schema) => {
                requirement.schema.as_str()
            }
            Some(_) if schema != "pg_catalog" && !path.iter().any(|on_path| on_path == schema) => {
                // current_schemas leaves out what the login may not use.
                let seen = format!(
                    "{name} is in schema \"{schema}\", which is not on the search path ({}), or closed to the login",
                    rights.search_path
                );
                let (user, schema) = (identifier(&rights.user), identifier(schema));
                return Ok(fail(seen).hint(format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {user}; and add {schema} to the search path: ALTER ROLE {user} IN DATABASE {} SET search_path = {}, {schema}",
                    identifier(&rights.database.name),
                    rights.search_path
                )));
            }
            _ => {
                found.push(format!("{name} in {schema}"));
                continue;
            }
        };
        let seen = match &wanted.schema {
            Some(_) => format!("{name} is in schema \"{schema}\", not in \"{target}\""),
            None => format!(
                "{name} is in schema \"{schema}\", which is not on the search path ({})",
                rights.search_path
            ),
        };
        let (quoted, target) = (identifier(name), identifier(target));
        let hint = match known.is_relocatable {
            true => format!(
                "ALTER EXTENSION {quoted} SET SCHEMA {target}; or add {} to the search path",
                identifier(schema)
            ),
            false => format!(
                "add {} to the search path; {name} cannot be moved to another schema",
                identifier(schema)
            ),
        };
        return Ok(fail(seen).hint(hint));
    }
    match found.is_empty() {
        true => skip("none of them is installed yet"),
        false => Ok(pass(found.join(", "))),
    }
}
