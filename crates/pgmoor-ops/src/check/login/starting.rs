//! Whether the server takes sessions now.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-002",
    layer: Layer::Login,
    title: "the server takes sessions now",
    why: "A server that starts, stops or recovers from a crash takes none for a while; a standby that is not hot never does.",
    needs: "a connection to a PostgreSQL server",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::NotNow,
        |session| format!("{} does", session.server),
        |error, user| { let _ = user; fail(refusal::said(error)).hint_text("wait: pgmoor check --wait 5m; if it lasts, look into the server's log (a standby: hot_standby = on)") },
    )
}
