//! Whether there is a credential.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-004",
    layer: Layer::Login,
    title: "there is a credential to log in with",
    why: "Without a password, token or key there is nothing to prove who we are.",
    needs: "a server that asks for one",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::NoCredential,
        |session| { let _ = session; "there was all that the server asked for".to_owned() },
        |error, user| { let _ = user; fail(crate::error::chain(&**error)).hint(error.hint().unwrap_or_else(|| "give a password: credential: { password: ${PGPASSWORD} }; with --url: PGPASSWORD or a passfile".to_owned())) },
    )
}
