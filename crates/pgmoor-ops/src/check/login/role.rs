//! Whether the role exists and may log in.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-010",
    layer: Layer::Login,
    title: "the role exists and may log in",
    why: "A role without LOGIN is a group: it owns and grants, and nobody enters as it.",
    needs: "a server that tells about roles: by SCRAM it does not, see PGM-LOG-011",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Role,
        |session| format!("\"{}\" does", session.user),
        |error, user| fail(refusal::said(error)).hint(format!("create role \"{user}\" login; or: alter role \"{user}\" login; (pgmoor provision does it)")),
    )
}
