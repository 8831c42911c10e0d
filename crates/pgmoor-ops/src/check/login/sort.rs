//! Whether a server of the wanted sort is there.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-013",
    layer: Layer::Login,
    title: "a server of the wanted sort is among the hosts",
    why: "With target_session_attrs=read-write or primary, standbys are passed over; when all hosts are standbys, there is nobody to write to.",
    needs: "target_session_attrs",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Sort,
        |session| format!("{} is one", session.server),
        |error, user| { let _ = user; fail(crate::error::chain(&**error)).hint_text("name the primary, or all servers of the cluster: host=A,B,C; or use its read-write name") },
    )
}
