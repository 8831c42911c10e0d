//! Whether our settings allow the login.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-005",
    layer: Layer::Login,
    title: "the server asks for a login that our settings allow",
    why: "require_auth, channel_binding and SCRAM keep a password from being shown to a server that cannot prove that it knows it.",
    needs: "a server that answers a login",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Settings,
        |session| format!("by {}", session.method),
        |error, user| { let _ = user; fail(crate::error::chain(&**error)).hint(error.hint().unwrap_or_else(|| "look at require_auth and channel_binding of the address".to_owned())) },
    )
}
