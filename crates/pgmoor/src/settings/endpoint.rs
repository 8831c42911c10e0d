//! The settings of an endpoint: where it is, or how to run it as a bundled server.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::credential::CredentialSettings;
use super::google::CloudSqlSettings;
use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::secret::ConnectionText;

/// The endpoints by name.
pub type Endpoints = BTreeMap<String, EndpointSettings>;

crate::settings! {
    /// A PostgreSQL that databases are served from: an external one by its `url`, an instance of Cloud SQL
    /// by `cloud_sql`, or a bundled one.
    pub struct EndpointSettings {
        /// Connection string as libpq takes it: a URI, or keywords and values. Hosts, port, database,
        /// TLS and timeouts are all given in it.
        url: Option<ConnectionText>, example "postgres://app@db.example.com:5432/app?sslmode=verify-full&sslrootcert=system", since "0.1";
        /// How to log in, when the password is not in the connection string.
        credential: Option<CredentialSettings>, since "0.1";
        /// An instance of Cloud SQL, reached by its name.
        cloud_sql: Option<CloudSqlSettings>, since "0.1";
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
    let kinds = [
        ("url", endpoint.url.is_some()),
        ("cloud_sql", endpoint.cloud_sql.is_some()),
        ("bundled", endpoint.bundled.is_some()),
    ];
    let given: Vec<&str> = kinds
        .iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| *name)
        .collect();
    let problem = match given[..] {
        [] => Problem::new(
            &node.origin,
            format!("\"{key}\" has neither \"url\" nor \"cloud_sql\" nor \"bundled\""),
        )
        .hint("give an external server's url, or \"bundled: {}\" for a server that pgmoor runs"),
        [one, other, ..] => Problem::new(
            &node.origin,
            format!("\"{key}\" has both \"{one}\" and \"{other}\""),
        )
        .cause("an endpoint is one server: external, an instance of Cloud SQL, or bundled")
        .hint("make two endpoints of it"),
        [_] => match useless_credential(endpoint) {
            None => return,
            Some(why) => Problem::new(
                &node.origin,
                format!("\"{key}.credential\" has no use here"),
            )
            .cause(why)
            .hint("remove \"credential\""),
        },
    };
    loader.report(problem);
}

/// Why an endpoint's credential would never be asked for.
fn useless_credential(endpoint: &EndpointSettings) -> Option<&'static str> {
    endpoint.credential.as_ref()?;
    if endpoint.bundled.is_some() {
        return Some("pgmoor makes the password of its own server itself");
    }
    let iam = endpoint
        .cloud_sql
        .as_ref()
        .is_some_and(|cloud_sql| cloud_sql.iam);
    iam.then_some(
        "with \"iam: true\" the certificate logs in; who it is for is said by \"cloud_sql.google\"",
    )
}
