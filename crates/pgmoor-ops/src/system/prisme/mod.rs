//! Prisme.ai: the storages of its core chart, or their environment variables.

mod read;

mod write;

pub(super) use read::{claims, claims_variables, read, read_variables};
pub(super) use write::{owned, write};

/// What requirements call it.
pub(super) const NAME: &str = "prisme";

/// The storages: what we call the database, where its block is, and how its variables begin.
pub(super) const STORES: [(&str, [&str; 3], &str); 3] = [
    (
        "permissions",
        ["global", "storage", "permissions"],
        "PERMISSIONS",
    ),
    (
        "users",
        ["prismeai-api-gateway", "storage", "users"],
        "USERS",
    ),
    (
        "collections",
        ["prismeai-runtime", "storage", "collections"],
        "COLLECTIONS",
    ),
];
