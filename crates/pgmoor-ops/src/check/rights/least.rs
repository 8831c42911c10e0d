//! Whether the login may more than an application should.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-012",
    layer: Layer::Rights,
    title: "the login is no superuser",
    why: "A superuser reads files of the server, runs programs there and is stopped by nothing. So is whoever finds a hole in the application.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let user = identifier(&rights.user);
    if rights.role.is_superuser {
        return Ok(warn(format!("\"{}\" is a superuser", rights.user))
            .hint_text("pgmoor provision plan shows how to give the application a role of its own"));
    }
    if rights.role.bypasses_rls {
        return Ok(warn(format!("\"{}\" bypasses row-level security", rights.user))
            .hint(format!("ALTER ROLE {user} NOBYPASSRLS")));
    }
    Ok(pass(format!("\"{}\" is an ordinary role", rights.user)))
}
