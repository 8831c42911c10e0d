//! Until when the password is valid.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-RGT-011",
    layer: Layer::Rights,
    title: "the password stays valid",
    why: "VALID UNTIL ends a password without a word: from that moment on no new connection is let in.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let rights = on.rights()?;
    let Some(left) = rights.role.password_seconds_left else {
        return Ok(pass("VALID UNTIL is not set"));
    };
    let days = left / 86_400.0;
    let hint = format!("ALTER ROLE {} VALID UNTIL 'infinity'", identifier(&rights.user));
    Ok(match days {
        ..0.0 => warn("the password has expired: only logins that need none are let in").hint(hint),
        ..30.0 => warn(format!("the password expires in {days:.0} days")).hint(hint),
        _ => pass(format!("the password is valid for {days:.0} days")),
    })
}
