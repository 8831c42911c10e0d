//! Whether the server accepts the password.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-001",
    layer: Layer::Login,
    title: "the server accepts the password",
    why: "An application whose password is wrong does not start. The server does not tell a wrong password from an unknown role, so that nobody can guess names.",
    needs: "a server that asks for a password",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let login = on.login()?;
    match &login.outcome {
        Ok(session) => Ok(pass(format!("logged in as \"{}\"", session.user))),
        Err(error) if error.report().is_some_and(|report| report.sqlstate.is_some_and(|code| code.as_str() == "28P01")) => Ok(fail(format!("password rejected for \"{}\" (28P01)", login.user)).hint(error.hint())),
        Err(_) => skip("the login did not come that far"),
    }
}
