//! Whether the login may publish the tables.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-005",
    layer: Layer::Move,
    title: "the login may publish every table",
    why: "Only the owner of a table, who may also create in the database, can put it into a publication.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (facts, user) = (on.moving()?, &on.rights()?.user);
    if facts.may_publish_all {
        return Ok(pass(format!("\"{user}\" may")));
    }
    Ok(fail(format!("\"{user}\" does not own every table, or may not create in the database")).hint(format!(
        "move with the login of the owner: GRANT its role TO {0}, and GRANT CREATE ON DATABASE to it",
        identifier(user)
    )))
}
