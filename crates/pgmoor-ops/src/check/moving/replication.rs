//! Whether the login may follow.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Vendor;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-004",
    layer: Layer::Move,
    title: "the login may replicate",
    why: "To follow the changes takes the attribute REPLICATION, or the role that a vendor has for it.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (facts, user) = (on.moving()?, &on.rights()?.user);
    if facts.may_replicate {
        return Ok(pass(format!("\"{user}\" may replicate")));
    }
    let user_name = identifier(user);
    let hint = match on.server()?.vendor {
        Vendor::Rds | Vendor::Aurora => format!("GRANT rds_replication TO {user_name}"),
        _ => format!("ALTER ROLE {user_name} REPLICATION"),
    };
    Ok(fail(format!("\"{user}\" may not replicate")).hint(hint))
}
