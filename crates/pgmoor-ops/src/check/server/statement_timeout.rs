//! Whether long statements are cut off.

use std::time::Duration;

use crate::check::{Check, Ground, Layer, Outcome};
use super::not_shorter;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-007",
    layer: Layer::Server,
    title: "statements may take as long as a migration does",
    why: "A migration that builds an index takes minutes. Cut off by statement_timeout it fails, and is tried again at each start.",
    needs: "a session",
    judge,
};

/// Below this it will hurt.
const SHORT: Duration = Duration::from_secs(60);

fn judge(on: Ground<'_>) -> Outcome {
    not_shorter(on, "statement_timeout", SHORT, "a migration that takes longer is cancelled")
}
