//! Coder: `postgres.*` of the chart of version 1, and environment and flags of version 2.

mod second;

mod first;

mod write;

pub(super) use first::{claims as claims_first, read as read_first};
pub(super) use second::{claims, claims_variables, read, read_variables};
pub(super) use write::{owned, write};

/// What requirements call it, and its database.
pub(super) const NAME: &str = "coder";
