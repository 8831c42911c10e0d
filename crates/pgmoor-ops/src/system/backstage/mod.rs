//! Backstage: `backend.database` of its `app-config*.yaml` files.

mod config;

mod connection;

mod read;

mod write;

pub(super) use read::{claims, claims_variables, read};
pub(super) use write::{owned, write};

/// What requirements call it.
pub(super) const NAME: &str = "backstage";

/// How names of databases begin unless it is set.
pub(super) const PREFIX: &str = "backstage_plugin_";

/// Plugins of a new Backstage that keep something in a database.
pub(super) const PLUGINS: [&str; 5] = ["app", "auth", "catalog", "scaffolder", "search"];
