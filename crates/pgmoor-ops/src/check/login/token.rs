//! Whether the token is accepted.

use super::refusal::{self, Refusal};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-008",
    layer: Layer::Login,
    title: "the server accepts the token",
    why: "A token is refused when it is for another host, port, user or region, when the clock of this host is off, or when the identity may not connect.",
    needs: "a login by the token of a cloud",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if !on.configuration().credential.is_token() {
        return skip("no cloud's token logs in");
    }
    refusal::judge(
        on,
        Refusal::Token,
        |session| format!("logged in as \"{}\"", session.user),
        |error, user| fail(format!("the token for \"{user}\" was refused: {}", refusal::said(error))).hint(error.hint().unwrap_or_else(|| "pgmoor login test ENDPOINT shows what the token says; the identity needs rds-db:connect on that user (AWS), roles/cloudsql.instanceUser (Google), or a principal in the server (Azure)".to_owned())),
    )
}
