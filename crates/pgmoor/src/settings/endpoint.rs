//! The settings of an endpoint: where it is, or how to run it as a bundled server.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::credential::CredentialSettings;
use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::secret::ConnectionText;

/// The endpoints by name.
pub type Endpoints = BTreeMap<String, EndpointSettings>;

crate::settings! {
    /// A PostgreSQL that databases are served from: an external one by its `url`, or a bundled one.
    pub struct EndpointSettings {
        /// Connection string as libpq takes it: a URI, or keywords and values. Hosts, port, database,
        /// TLS and timeouts are all given in it.
        url: Option<ConnectionText>, example "postgres://app@db.example.com:5432/app?sslmode=verify-full&sslrootcert=system", since "0.1";
        /// How to log in, when the password is not in the connection string.
        credential: Option<CredentialSettings>, since "0.1";
        /// A server that pgmoor creates and runs itself.
        bundled: Option<BundledSettings>, since "0.1";
        /// How many server connections may be open to this endpoint, over all pools.
        max_connections: NonZeroU32 = "100", range "1..=100000", since "0.1";
        /// How long one attempt to connect and log in may take, unless the connection string has
        /// `connect_timeout`.
        connect_timeout: Duration = "10s", range "10ms..=10m", since "0.1";
    }
    check check_endpoint
}

crate::settings! {
    /// A server that pgmoor creates, starts, watches and stops.
    pub struct BundledSettings {
        /// Where its data lives; created when it does not exist.
        data_dir: PathBuf = "./.pgmoor/data", since "0.1";
        /// A directory or archive (.tar.gz, .tar.xz) with PostgreSQL's programs, for hosts without an
        /// installed one. Without it they are looked for by `PGMOOR_PG_BIN`, `pg_config`, and in the usual places.
        binaries: Option<PathBuf>, example "/opt/postgresql-16.tar.gz", since "0.1";
        /// A TCP port on the loopback interface, for tools that cannot use the Unix socket.
        port: Option<NonZeroU16>, example "5433", since "0.1";
        /// How long it may take to start; recovery after a crash counts.
        start_timeout: Duration = "5m", range "1s..=1d", since "0.1";
        /// How long it may take to stop cleanly before it is stopped at once.
        stop_timeout: Duration = "1m", range "1s..=1h", since "0.1";
    }
}

fn check_endpoint(
    endpoint: &EndpointSettings,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    let key = place.key;
    match (&endpoint.url, &endpoint.bundled) {
        (None, None) => loader.report(
            Problem::new(
                &node.origin,
                format!("\"{key}\" has neither \"url\" nor \"bundled\""),
            )
            .hint(
                "give an external server's url, or \"bundled: {}\" for a server that pgmoor runs",
            ),
        ),
        (Some(_), Some(_)) => loader.report(
            Problem::new(
                &node.origin,
                format!("\"{key}\" has both \"url\" and \"bundled\""),
            )
            .cause("an endpoint is either external or bundled")
            .hint("make two endpoints of it"),
        ),
        (None, Some(_)) if endpoint.credential.is_some() => loader.report(
            Problem::new(
                &node.origin,
                format!("\"{key}.credential\" has no use for a bundled endpoint"),
            )
            .cause("pgmoor makes the password of its own server itself")
            .hint("remove \"credential\""),
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
}
