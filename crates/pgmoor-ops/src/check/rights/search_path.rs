//! Whether names without a schema are found where the application has its tables.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-010",
    layer: Layer::Rights,
    title: "the search path begins with the schema that the application uses",
    why: "Tables are made in the first schema of the search path. Where that is another, they are made in the wrong place and not found.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let wanted = &on.asked.requirement.schema;
    let seen = format!("search_path is {}", rights.search_path);
    // What only the server has, such as "$user", is not in the way.
    match rights.search_path_schemas.first() {
        Some(first) if first == wanted => Ok(pass(seen)),
        first => {
            let first = first.map_or("no schema at all".to_owned(), |first| format!("schema \"{first}\""));
            let (user, database) = (identifier(&rights.user), identifier(&rights.database.name));
            Ok(warn(format!("{seen}: tables are made in {first}, not in \"{wanted}\"")).hint(format!(
                "ALTER ROLE {user} IN DATABASE {database} SET search_path = {}; or let the application set it",
                identifier(wanted)
            )))
        }
    }
}
