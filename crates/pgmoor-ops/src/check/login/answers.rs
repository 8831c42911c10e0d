//! Whether the server goes through with the login.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-001",
    layer: Layer::Login,
    title: "the server goes through with the login",
    why: "A server that takes the connection and then breaks off is overloaded, crashes at each login, or is a proxy with nothing behind it.",
    needs: "a connection to a PostgreSQL server",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Broken,
        |session| format!("{} did", session.server),
        |error, user| { let _ = user; fail(crate::error::chain(&**error)).hint_text("look into the server's log at this time; behind a proxy or load balancer: look whether it has a server, and whether that has this one's address allowed") },
    )
}
