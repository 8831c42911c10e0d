//! The schema migrations of a database: where they are, as whom and how they are run.

use std::path::PathBuf;
use std::time::Duration;

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::scalar::Timeout;

/// PostgreSQL cuts longer names off, in bytes; room is left for what is put behind this one.
const MAX_NAME: usize = 58;

crate::settings! {
    /// The schema migrations of a database: plain SQL files, run once by one of all replicas.
    pub struct SchemaSettings {
        /// The directory of the migrations: `V1__create_users.sql`, and `V1__create_users.down.sql` beside it
        /// where it can be undone.
        dir: PathBuf = "./migrations", since "0.1";
        /// Whether the gateway runs what is pending before it lets the first client in. Clients wait
        /// meanwhile, and the gateway is not ready.
        at_start: bool = "true", since "0.1";
        /// The endpoint by which migrations are run, where that is another login than the application's: that
        /// of the tables' owner, or the server itself behind a pooler.
        endpoint: Option<String>, example "owner", since "0.1";
        /// The role that migrations are run as (`SET ROLE`), and that owns what they make; the login's own
        /// without it.
        role: Option<String>, example "app_owner", since "0.1";
        /// The table that has the history of migrations, with its schema if that is not the first one of the
        /// search path.
        history: String = "refinery_schema_history", since "0.1";
        /// How long a migration may wait for a lock before it gives way and is tried again. Others queue behind
        /// it for so long.
        lock_timeout: Duration = "3s", range "10ms..=10m", since "0.1";
        /// How long a migration that does not get its locks is tried again.
        lock_retry_for: Duration = "10m", range "0..=1d", since "0.1";
        /// How long a statement of a migration may run; `0` for ever.
        statement_timeout: Timeout = "0", range "1s..=30d", since "0.1";
        /// How long it is waited for another process that runs migrations.
        wait_timeout: Duration = "1h", range "1s..=30d", since "0.1";
        /// Whether version numbers may be left out.
        allow_gaps: bool = "false", since "0.1";
    }
    check check_schema
}

fn check_schema(schema: &SchemaSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    let parts: Vec<&str> = schema.history.split('.').collect();
    let is_fit = |part: &&str| !part.is_empty() && part.len() <= MAX_NAME && !part.contains('\0');
    if parts.len() > 2 || !parts.iter().all(is_fit) {
        let origin = node
            .entry("history")
            .map_or(&node.origin, |entry| &entry.value.origin);
        loader.report(
            Problem::new(
                origin,
                format!("\"{}.history\" is no name of a table", place.key),
            )
            .hint("give a name, or a schema and a name: app.refinery_schema_history"),
        );
    }
}
