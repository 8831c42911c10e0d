//! Whether waiting for a lock is cut short.

use std::time::Duration;

use crate::check::{Check, Ground, Layer, Outcome};
use super::not_shorter;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-011",
    layer: Layer::Server,
    title: "statements may wait for a lock",
    why: "With a short lock_timeout ordinary statements fail while another transaction is at work on the same rows.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(1);

fn judge(on: Ground<'_>) -> Outcome {
    not_shorter(on, "lock_timeout", SHORT, "statements that wait for longer fail")
}
