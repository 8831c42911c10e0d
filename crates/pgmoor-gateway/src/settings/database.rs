//! The databases that clients ask for, and how each one is pooled.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use pgmoor::settings::{
    ConnectionText, Loader, Node, Place, Problem, SchemaSettings, Timeout, nearest,
};

/// The databases by the name that clients ask for.
pub type Databases = BTreeMap<String, DatabaseSettings>;

pgmoor::choices! {
    /// When a server connection is given back to its pool.
    pub enum PoolMode {
        /// When the client disconnects.
        Session = "session",
        /// When the client's transaction ends.
        Transaction = "transaction",
    }
}

pgmoor::choices! {
    /// What happens in transaction mode to a client that keeps state in its session
    /// (LISTEN, advisory locks, temporary tables, SET).
    pub enum SessionState {
        /// It keeps its server connection until it disconnects.
        Pin = "pin",
        /// Its statement is refused, with a hint.
        Refuse = "refuse",
    }
}

pgmoor::settings! {
    /// A database that clients ask for, and the endpoint that serves it.
    pub struct DatabaseSettings {
        /// The endpoint that serves it, by its name under `endpoints`. Without it and without `url` it is
        /// the bundled one, as long as no other endpoint is configured.
        endpoint: Option<String>, example "primary", since "0.1";
        /// A connection string in place of an endpoint's name, for a single server.
        url: Option<ConnectionText>, example "postgres://app:${PGPASSWORD}@db.example.com/app?sslmode=verify-full", since "0.1";
        /// The database's name at the server; without it the endpoint's own, else the name clients ask for.
        dbname: Option<String>, example "app", since "0.1";
        /// The application that uses it: one that is known (`backstage`, `coder`, `langsmith`, `prisme`), or
        /// one of `systems`. It says what is checked and provisioned; without it little is assumed.
        system: Option<String>, example "langsmith", since "0.1";
        /// The schema migrations; without it nothing is migrated.
        schema: Option<SchemaSettings>, since "0.1";
        /// How server connections are shared.
        pool: PoolSettings, since "0.1";
    }
    check check_database
}

pgmoor::settings! {
    /// How the server connections of one database and user are shared by clients.
    pub struct PoolSettings {
        /// When a server connection is given back to the pool.
        mode: PoolMode = "session", since "0.1";
        /// How many server connections the pool may open.
        size: NonZeroU32 = "20", range "1..=100000", since "0.1";
        /// How many idle server connections the pool keeps ready.
        min_idle: u32 = "0", range "0..=100000", since "0.1";
        /// How many clients may wait for a server connection; one more is refused at once.
        max_waiting: u32 = "1000", range "0..=1000000", since "0.1";
        /// How long a client may wait for a server connection.
        checkout_timeout: Duration = "30s", range "1ms..=1h", since "0.1";
        /// How long a server connection may be idle before it is closed; `0` for ever.
        idle_timeout: Timeout = "10m", range "1s..=30d", since "0.1";
        /// How old a server connection may become before it is replaced; `0` for any age.
        lifetime: Timeout = "1h", range "1s..=30d", since "0.1";
        /// What happens in transaction mode to a client that keeps state in its session.
        session_state: SessionState = "pin", since "0.1";
        /// How many prepared statements are kept on one server connection in transaction mode; one more
        /// takes the place of the one that was not used for longest.
        prepared_statements: NonZeroU32 = "500", range "1..=100000", since "0.1";
        /// How long a server connection may take to be reset before it is closed instead.
        reset_timeout: Duration = "5s", range "1ms..=10m", since "0.1";
        /// How long a server may take to end what it is cancelled in, before its connection is closed
        /// all the same.
        cancel_timeout: Duration = "10s", range "1ms..=10m", since "0.1";
        /// How long a statement may run before it is cancelled; `0` for ever.
        query_timeout: Timeout = "0", range "1ms..=30d", since "0.1";
        /// How long a client may leave a transaction open without a word before it is ended; `0` for ever.
        idle_in_transaction_timeout: Timeout = "0", range "1ms..=30d", since "0.1";
    }
    check check_pool
}

fn check_database(
    database: &DatabaseSettings,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    if database.endpoint.is_some() && database.url.is_some() {
        let origin = node
            .entry("url")
            .map_or(&node.origin, |entry| &entry.origin);
        loader.report(
            Problem::new(
                origin,
                format!("\"{}\" has both \"endpoint\" and \"url\"", place.key),
            )
            .cause("a database is served by one endpoint")
            .hint("keep one of them"),
        );
    }
}

fn check_pool(pool: &PoolSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    if pool.min_idle > pool.size.get() {
        let origin = node
            .entry("min_idle")
            .map_or(&node.origin, |entry| &entry.value.origin);
        loader.report(
            Problem::new(
                origin,
                format!("\"{}.min_idle\" is larger than the pool", place.key),
            )
            .cause(format!(
                "min_idle is {} and size is {}",
                pool.min_idle, pool.size
            ))
            .hint("lower min_idle or raise size"),
        );
    }
}

/// Reports databases whose endpoint does not exist, or that of their migrations.
pub(super) fn check_endpoints(endpoints: &[&str], tree: &Node, loader: &mut Loader<'_>) {
    let databases = tree
        .entry("databases")
        .and_then(|entry| entry.value.entries());
    for database in databases.unwrap_or_default() {
        let key = format!("databases.{}", database.key);
        check_endpoint(endpoints, &database.value, &key, loader);
        if let Some(schema) = database.value.entry("schema") {
            check_endpoint(endpoints, &schema.value, &format!("{key}.schema"), loader);
        }
    }
}

fn check_endpoint(endpoints: &[&str], section: &Node, key: &str, loader: &mut Loader<'_>) {
    let Some(named) = section
        .entry("endpoint")
        .filter(|entry| entry.value.is_scalar())
    else {
        return;
    };
    let key = format!("{key}.endpoint");
    let place = Place {
        key: &key,
        range: None,
    };
    let Some(endpoint) = loader.text(&named.value, &place) else {
        return;
    };
    if endpoints.contains(&endpoint.as_str()) {
        return;
    }
    let problem = Problem::new(
        &named.value.origin,
        format!("\"{key}\" names the endpoint \"{endpoint}\", which does not exist"),
    );
    loader.report(match nearest(&endpoint, endpoints.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
        None => problem.hint(format!(
            "add \"{endpoint}\" under \"endpoints\"; there are {}",
            endpoints.join(", ")
        )),
    });
}
