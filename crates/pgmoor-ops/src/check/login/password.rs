//! Whether the password is accepted.

use pgmoor::endpoint::AuthMethod;

use super::refusal::{self, Refusal};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-011",
    layer: Layer::Login,
    title: "the server accepts the password",
    why: "An application whose password is wrong does not start. The server does not tell a wrong password from an unknown role or one that expired, so that nobody can guess names; its log does.",
    needs: "a server that asks for a password",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if on.session().is_ok_and(|session| session.method == AuthMethod::None) {
        return skip("the server asks for none");
    }
    refusal::judge(
        on,
        Refusal::Password,
        |session| format!("logged in as \"{}\"", session.user),
        |error, user| fail(format!("refused for \"{user}\": {}", refusal::said(error))).hint(format!("check the password, that a rotated one has arrived here, and that the role exists: select rolcanlogin, rolvaliduntil from pg_roles where rolname = '{user}'; set a new one in psql: \\password {user}")),
    )
}
