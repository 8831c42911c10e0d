//! Whether long transactions are ended.

use std::time::Duration;

use crate::check::{Check, Ground, Layer, Outcome};
use super::not_shorter;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-010",
    layer: Layer::Server,
    title: "transactions may take as long as a migration does",
    why: "A migration is one transaction. With transaction_timeout a long one loses its session and is undone.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(60);

fn judge(on: Ground<'_>) -> Outcome {
    not_shorter(on, "transaction_timeout", SHORT, "a migration that takes longer loses its session")
}
