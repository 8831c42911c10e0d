//! Whether anything else refuses the login.

use super::refusal::{self, Refusal};
use crate::check::verdict::{Skip, fail};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-014",
    layer: Layer::Login,
    title: "nothing else refuses the login",
    why: "What the server says is shown as it is.",
    needs: "a server that answers a login",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    // The login went through, and the session cannot be used.
    if let Err(Skip::Because(reason)) = on.login() {
        return Ok(fail(reason).hint_text("look into the server's log"));
    }
    refusal::judge(
        on,
        Refusal::Other,
        |session| format!("\"{}\" was let in", session.user),
        |error, user| {
            let hint = error.hint();
            let hint = hint.unwrap_or_else(|| "look into the server's log".to_owned());
            fail(format!("refused for \"{user}\": {}", refusal::said(error))).hint(hint)
        },
    )
}
