//! Every metric: its name, unit, help text and labels stand here and nowhere else.

/// The kinds of metrics that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// One metric's declaration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    /// Without the unit and the suffix that its kind has.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

impl Metric {
    /// The name as Prometheus has it.
    pub(super) fn full_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal $unit:expr, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        };)*
        /// In the order of the page.
        pub(super) const ALL: &[Metric] = &[$($constant),*];
    };
}

pub(super) const SECONDS: Option<&str> = Some("seconds");
pub(super) const BYTES: Option<&str> = Some("bytes");

metrics! {
    BUILD Info "pgmoor_build" None, ["version"], "The version that runs.";
    UP Gauge "pgmoor_up" None, [], "Whether pgmoor lets clients in: 0 while it stops.";
    WORKERS Gauge "pgmoor_workers" None, ["state"], "Workers that answer (answering) and that did not within a second (silent).";
    RELOADS Counter "pgmoor_config_reloads" None, ["result"], "Reloads of the configuration: success, failure.";
    RELOADED Gauge "pgmoor_config_last_reload_timestamp" SECONDS, [], "When the configuration was last reloaded; absent before the first reload.";
    CLIENTS Gauge "pgmoor_client_connections" None, ["pool", "state"], "Logged-in clients: active, waiting (for a server connection), idle, idle_in_transaction.";
    CLIENTS_MAX Gauge "pgmoor_client_connections_max" None, [], "How many clients may be connected at once.";
    CLIENTS_OPEN Gauge "pgmoor_client_connections_open" None, [], "Accepted connections, logged in or not, of the admin database too.";
    LOGINS Counter "pgmoor_client_logins" None, [], "Clients that have logged in.";
    ACCEPT_DELAYS Counter "pgmoor_client_accept_delays" None, [], "Times that connecting clients were left to wait a tenth of a second because descriptors or memory ran short.";
    SERVERS Gauge "pgmoor_server_connections" None, ["pool", "state"], "Server connections: active, idle, login (being opened), reset (being reset), closing (without a client, until what runs has ended).";
    SERVERS_MAX Gauge "pgmoor_server_connections_max" None, ["pool"], "How many server connections the pools of a database may have.";
    BUDGET Gauge "pgmoor_connection_budget" None, ["endpoint", "kind"], "Connections of an endpoint: allotted to this gateway, and used by it.";
    WAIT Histogram "pgmoor_client_wait" SECONDS, ["pool"], "How long clients waited for a server connection.";
    OLDEST Gauge "pgmoor_client_wait_oldest" SECONDS, ["pool"], "For how long the client that waits longest has waited.";
    TIMEOUTS Counter "pgmoor_client_wait_timeouts" None, ["pool"], "Clients that waited in vain.";
    QUERY Histogram "pgmoor_query_duration" SECONDS, ["pool"], "From a query's arrival to its whole answer, waiting included.";
    TRANSACTION Histogram "pgmoor_transaction_duration" SECONDS, ["pool"], "How long clients had a server connection; in session mode that is the whole session.";
    QUERIES Counter "pgmoor_queries" None, ["pool"], "Queries that were answered.";
    TRANSACTIONS Counter "pgmoor_transactions" None, ["pool"], "Transactions that were ended.";
    CLIENT_BYTES Counter "pgmoor_client" BYTES, ["pool", "direction"], "Bytes received from clients, and sent to them.";
    SERVER_BYTES Counter "pgmoor_server" BYTES, ["pool", "direction"], "Bytes received from servers, and sent to them.";
    ERRORS Counter "pgmoor_errors" None, ["stage", "code"], "Errors by where they came up (tls, auth, checkout, server, client, protocol) and by SQLSTATE class.";
    CONNECTS Counter "pgmoor_server_connects" None, ["pool", "result"], "Attempts to open a server connection: success, failure.";
    CONNECT Histogram "pgmoor_server_connect_duration" SECONDS, ["pool", "stage"], "How long it took to open a server connection; all is from name lookup to login.";
    DISCARDS_BY Counter "pgmoor_server_discards" None, ["pool", "reason"], "Server connections that were closed, by why.";
    PINS_BY Counter "pgmoor_session_pins" None, ["pool", "reason"], "Sessions that keep their server connection in transaction mode, by what they did.";
    STATEMENTS Gauge "pgmoor_prepared_statements" None, ["pool", "scope"], "Prepared statements: different texts that clients hold (pool), and on server connections (server).";
    EVICTIONS Counter "pgmoor_prepared_statements_evictions" None, ["pool"], "Statements closed on a server connection to make room.";
    CREDENTIAL_AGE Gauge "pgmoor_credential_age" SECONDS, ["endpoint"], "How long ago what an endpoint is logged in to with was fetched; absent where nothing is renewed.";
    CREDENTIAL_LEFT Gauge "pgmoor_credential_time_left" SECONDS, ["endpoint"], "How long that is still good; 0 when it has expired, absent where no end is known.";
    CREDENTIAL_VALID Gauge "pgmoor_credential_valid" None, ["endpoint"], "Whether there is one that is good.";
    CREDENTIAL_RENEWALS Counter "pgmoor_credential_renewals" None, ["endpoint"], "How often it was fetched.";
    CREDENTIAL_FAILURES Counter "pgmoor_credential_failures" None, ["endpoint", "cause"], "How often it was not had, each try counted, and how often a server rejected it, by why.";
    PAUSED Gauge "pgmoor_database_paused" None, ["database"], "Whether the database is paused: its clients wait.";
    REACHABLE Gauge "pgmoor_database_reachable" None, ["database"], "Whether the last attempt to connect to its server succeeded; absent before the first.";
    EXPIRY Gauge "pgmoor_tls_certificate_expiry_timestamp" SECONDS, ["side"], "When a certificate expires; listen is the one that clients are shown.";
    CPU Counter "process_cpu" SECONDS, [], "Processor time, user and system.";
    RESIDENT Gauge "process_resident_memory" BYTES, [], "Resident memory.";
    VIRTUAL Gauge "process_virtual_memory" BYTES, [], "Virtual memory.";
    FDS Gauge "process_open_fds" None, [], "Open files.";
    FDS_MAX Gauge "process_max_fds" None, [], "How many files may be open.";
    STARTED Gauge "process_start_time" SECONDS, [], "When the process began.";
    THREADS Gauge "process_threads" None, [], "Threads of the process.";
}
