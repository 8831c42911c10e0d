//! Whether tables can be read and written.

use crate::check::verdict::{fail, pass};
use crate::check::words::counted;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-008",
    layer: Layer::Rights,
    title: "the login may read and write every table of its schema",
    why: "A table that cannot be read or written is an error in the middle of some request.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    if rights.denied_table_count == 0 {
        return Ok(pass("every table can be read and written"));
    }
    let schema = identifier(&on.asked.requirement.schema);
    let user = identifier(&rights.user);
    Ok(fail(format!(
        "{} cannot be read and written, such as {}",
        counted(rights.denied_table_count, "table"),
        rights.denied_tables.join(", ")
    ))
    .hint(format!(
        "as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}; GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {user}"
    )))
}
