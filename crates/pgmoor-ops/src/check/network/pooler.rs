//! Whether the server itself is at the other end.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-006",
    layer: Layer::Network,
    title: "the server itself answers, no pooler in front of it",
    why: "pgmoor pools itself. Behind another pooler there are two queues and two limits, cancels and settings take a detour, and replication and a move are not possible.",
    needs: "a session that names its server process",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let pooler = on.pooler()?;
    if pooler.is_direct {
        return Ok(pass("the login named the process that serves the session"));
    }
    let who = pooler.product.unwrap_or("a pooler or proxy");
    Ok(warn(format!("{who} answers: the session is served by another process than the login named"))
        .hint_text("give pgmoor the server's own host and port (PgBouncer: \"host=\" of [databases]), and let pgmoor pool"))
}
