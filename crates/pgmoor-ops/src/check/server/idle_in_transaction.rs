//! Whether sessions are ended in the middle of a transaction.

use std::time::Duration;

use crate::check::{Check, Ground, Layer, Outcome};
use super::not_shorter;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-008",
    layer: Layer::Server,
    title: "transactions may pause",
    why: "An application that calls another service within a transaction loses its session, and what it had not committed.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(10);

fn judge(on: Ground<'_>) -> Outcome {
    not_shorter(on, "idle_in_transaction_session_timeout", SHORT, "a transaction that pauses for longer loses its session")
}
