//! Whether there is a database to move to, to which this login may write.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Unread;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-019",
    layer: Layer::Move,
    title: "the target lets us in and can be written to",
    why: "A move makes everything at the target by the login of its endpoint. What that may not make stops it after its beginning.",
    needs: "--for move --to",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let target = match on.target_reading() {
        Err(Unread::Failed(reason)) => {
            return Ok(fail(format!("the target cannot be looked at: {reason}")).hint_text(
                "look at it by itself: pgmoor check --database NAME, or --url; pgmoor provision makes a database that is missing",
            ));
        }
        _ => on.target()?,
    };
    let (name, database) = (&target.name, &target.database);
    if target.server.is_standby {
        return Ok(fail(format!("{name} ({}) is a standby", target.place))
            .hint_text("give the primary's address, or target_session_attrs=read-write"));
    }
    if !target.may_create {
        return Ok(fail(format!(
            "\"{}\" may make no schemas in \"{database}\" of {name}",
            target.user
        ))
        .hint(format!(
            "as the owner of the database: GRANT CREATE ON DATABASE {} TO {}",
            identifier(database),
            identifier(&target.user)
        )));
    }
    Ok(pass(format!(
        "\"{}\" may make schemas in \"{database}\" of {name} ({})",
        target.user, target.place
    )))
}
