//! Whose the tables are.

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::requirement::Right;
use crate::sql::identifier;

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
    let (owner, user) = (identifier(&most.owner), identifier(&rights.user));
    let hint = match on.server()?.vendor.is_managed() {
        // Nobody there is superuser: whoever reassigns must be a member of both roles.
        true => format!(
            "as an administrator, in database \"{}\": GRANT {owner}, {user} TO CURRENT_USER; REASSIGN OWNED BY {owner} TO {user}",
            rights.database.name
        ),
        false => format!(
            "in database \"{}\": REASSIGN OWNED BY {owner} TO {user}; or one by one: ALTER TABLE … OWNER TO {user}",
            rights.database.name
        ),
    };
    Ok(match on.asked.requirement.needs(Right::CreateTable) {
        true => fail(seen).hint(hint),
        false => warn(seen).hint(hint),
    })
}
