//! Whether the server ends idle sessions.

use std::time::Duration;

use crate::check::{Check, Ground, Layer, Outcome};
use super::not_shorter;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-009",
    layer: Layer::Server,
    title: "idle sessions are left alone",
    why: "A pool keeps connections open to use them again. A server that ends them gives the application broken connections.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(600);

fn judge(on: Ground<'_>) -> Outcome {
    not_shorter(on, "idle_session_timeout", SHORT, "pooled connections that are idle for longer are ended")
}
