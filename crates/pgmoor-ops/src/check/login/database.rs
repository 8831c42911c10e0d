//! Whether the database exists.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-012",
    layer: Layer::Login,
    title: "the database exists and lets this user in",
    why: "Roles belong to the whole server; a database has to be made, and may be closed to some of them.",
    needs: "a login that is accepted",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Database,
        |session| format!("\"{}\" did", session.database),
        |error, user| { let _ = user; fail(refusal::said(error)).hint(format!("create database NAME owner \"{user}\"; or: grant connect on database NAME to \"{user}\"; (pgmoor provision does it)")) },
    )
}
