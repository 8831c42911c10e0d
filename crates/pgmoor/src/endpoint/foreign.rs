//! Parameters that other drivers know and libpq does not, and what they mean in libpq's words.
//!
//! One table for all drivers but Npgsql, whose names have blanks and no case; where two drivers give one
//! name two meanings, the dialect decides.

use super::raw::Dialect;

/// What becomes of a foreign parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It concerns the client only: dropped, with what it is.
    Ignore(&'static str),
    /// The same value under libpq's name.
    Rename(&'static str),
    /// Milliseconds, under a libpq name that counts seconds.
    Millis(&'static str),
    /// Each word has its counterpart, under libpq's name; words compare without case, `-` and `_`.
    Words(&'static str, &'static [(&'static str, &'static str)]),
    /// As `Words`, but an explicit value of that libpq name wins.
    Default(&'static str, &'static [(&'static str, &'static str)]),
    /// How the certificate is checked, in `sslmode`'s words; joined with `sslmode` at the end.
    Certificate(&'static [(&'static str, &'static str)]),
    /// A server setting with the same value.
    Setting(&'static str),
    /// A server setting whose value is an identifier and gets quoted.
    Identifier(&'static str),
    /// Something pgmoor does not do; says what to do instead.
    Refuse(&'static str),
}

/// One foreign parameter.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) name: &'static str,
    /// Who writes it.
    pub(super) from: &'static str,
    pub(super) rule: Rule,
}

const fn foreign(from: &'static str, name: &'static str, rule: Rule) -> Foreign {
    Foreign { name, from, rule }
}

use Rule::{
    Certificate, Default as Weak, Identifier, Ignore, Millis, Refuse, Rename, Setting, Words,
};

const POOL: Rule = Ignore("sizes the client's own pool");
const PREPARED: Rule = Ignore("concerns the client's prepared statements");
const DRIVER: Rule = Ignore("concerns the client's driver");
const IDENTITY: &str = "convert the PKCS#12 file with \"openssl pkcs12\" to PEM files and name them as sslcert and sslkey";

const SSL_WORDS: &[(&str, &str)] = &[
    ("true", "require"),
    ("1", "require"),
    ("on", "require"),
    ("yes", "require"),
    ("require", "require"),
    ("false", "disable"),
    ("0", "disable"),
    ("off", "disable"),
    ("no", "disable"),
    ("disable", "disable"),
    ("noverify", "no-verify"),
    ("allow", "allow"),
    ("prefer", "prefer"),
    ("verifyca", "verify-ca"),
    ("verifyfull", "verify-full"),
];

/// With these drivers a bare `true` verifies the certificate and its name.
const STRICT_SSL_WORDS: &[(&str, &str)] = &[
    ("", "verify-full"),
    ("true", "verify-full"),
    ("1", "verify-full"),
    ("on", "verify-full"),
    ("require", "require"),
    ("false", "disable"),
    ("0", "disable"),
    ("off", "disable"),
    ("disable", "disable"),
    ("allow", "allow"),
    ("prefer", "prefer"),
    ("verifyca", "verify-ca"),
    ("verifyfull", "verify-full"),
];

const SSL: Foreign = foreign("node-postgres", "ssl", Weak("sslmode", SSL_WORDS));
const STRICT_SSL: Foreign = foreign("JDBC and asyncpg", "ssl", Weak("sslmode", STRICT_SSL_WORDS));

const ON_OFF: &[(&str, &str)] = &[
    ("true", "1"),
    ("1", "1"),
    ("on", "1"),
    ("false", "0"),
    ("0", "0"),
    ("off", "0"),
];
const READ_ONLY: Rule = Words(
    "default_transaction_read_only",
    &[("true", "on"), ("false", "off")],
);
const SERVER_TYPES: &[(&str, &str)] = &[
    ("any", "any"),
    ("primary", "read-write"),
    ("master", "read-write"),
    ("secondary", "read-only"),
    ("slave", "read-only"),
    ("preferSecondary", "prefer-standby"),
    ("preferSlave", "prefer-standby"),
    ("preferPrimary", "any"),
];

#[rustfmt::skip]
const TABLE: &[Foreign] = &[
    foreign("JDBC", "ApplicationName", Rename("application_name")),
    foreign("JDBC", "currentSchema", Setting("search_path")),
    foreign("JDBC", "targetServerType", Words("target_session_attrs", SERVER_TYPES)),
    foreign("JDBC", "loadBalanceHosts", Words("load_balance_hosts", &[("true", "random"), ("false", "disable")])),
    foreign("JDBC", "connectTimeout", Rename("connect_timeout")),
    foreign("JDBC", "loginTimeout", Ignore("limits the client's own login")),
    foreign("JDBC", "socketTimeout", Ignore("limits the client's own reads")),
    foreign("JDBC", "cancelSignalTimeout", DRIVER),
    foreign("JDBC", "tcpKeepAlive", Words("keepalives", ON_OFF)),
    foreign("JDBC", "tcpNoDelay", DRIVER),
    foreign("JDBC", "sslNegotiation", Rename("sslnegotiation")),
    foreign("JDBC", "channelBinding", Rename("channel_binding")),
    foreign("JDBC", "requireAuth", Rename("require_auth")),
    foreign("JDBC", "gssEncMode", Rename("gssencmode")),
    foreign("JDBC", "kerberosServerName", Rename("krbsrvname")),
    foreign("JDBC", "sslfactory", Certificate(&[
        ("org.postgresql.ssl.NonValidatingFactory", "no-verify"), ("org.postgresql.ssl.LibPQFactory", ""),
        ("org.postgresql.ssl.DefaultJavaSSLFactory", "verify-full"),
    ])),
    foreign("JDBC", "sslhostnameverifier", Refuse("sslmode=verify-full checks the name of the host")),
    foreign("JDBC", "sslpasswordcallback", Refuse("write the key's password as sslpassword")),
    foreign("JDBC", "socketFactory", Refuse("write the server's own address, or use pgmoor's connector for that cloud")),
    foreign("JDBC", "cloudSqlInstance", Refuse("write the instance's own address, or use pgmoor's connector for Cloud SQL")),
    foreign("JDBC", "authenticationPluginClassName", Refuse("configure a credential provider")),
    foreign("JDBC", "readOnly", READ_ONLY),
    foreign("JDBC", "prepareThreshold", PREPARED),
    foreign("JDBC", "preparedStatementCacheQueries", PREPARED),
    foreign("JDBC", "preparedStatementCacheSizeMiB", PREPARED),
    foreign("JDBC", "preferQueryMode", PREPARED),
    foreign("JDBC", "defaultRowFetchSize", DRIVER),
    foreign("JDBC", "adaptiveFetch", DRIVER),
    foreign("JDBC", "reWriteBatchedInserts", DRIVER),
    foreign("JDBC", "stringtype", DRIVER),
    foreign("JDBC", "binaryTransfer", DRIVER),
    foreign("JDBC", "assumeMinServerVersion", DRIVER),
    foreign("JDBC", "autosave", DRIVER),
    foreign("JDBC", "allowEncodingChanges", DRIVER),
    foreign("JDBC", "logUnclosedConnections", DRIVER),
    foreign("JDBC", "loggerLevel", DRIVER),
    foreign("JDBC", "disableColumnSanitiser", DRIVER),
    foreign("JDBC", "hostRecheckSeconds", DRIVER),
    foreign("JDBC", "protocolVersion", DRIVER),
    foreign("JDBC", "readOnlyMode", DRIVER),
    foreign("JDBC", "escapeSyntaxCallMode", DRIVER),
    foreign("JDBC", "unknownLength", DRIVER),
    foreign("JDBC", "receiveBufferSize", DRIVER),
    foreign("JDBC", "sendBufferSize", DRIVER),
    foreign("JDBC", "quoteReturningIdentifiers", DRIVER),
    foreign("JDBC", "logServerErrorDetail", DRIVER),

    foreign("Prisma", "schema", Identifier("search_path")),
    foreign("Prisma", "connection_limit", POOL),
    foreign("Prisma", "pool_timeout", POOL),
    foreign("Prisma", "socket_timeout", Ignore("limits the client's own reads")),
    foreign("Prisma", "max_connection_lifetime", POOL),
    foreign("Prisma", "max_idle_connection_lifetime", POOL),
    foreign("Prisma", "pgbouncer", PREPARED),
    foreign("Prisma", "statement_cache_size", PREPARED),
    foreign("Prisma", "sslaccept", Certificate(&[
        ("strict", "verify-full"), ("accept_invalid_certs", "no-verify"), ("accept_invalid_hostnames", "verify-ca"),
    ])),
    foreign("Prisma", "sslidentity", Refuse(IDENTITY)),

    foreign("lib/pq", "binary_parameters", PREPARED),
    foreign("lib/pq", "disable_prepared_binary_result", PREPARED),
    foreign("lib/pq", "sslinline", Refuse("write certificates and key into files and name those")),
    foreign("lib/pq", "krbspn", Refuse("Kerberos logins are not supported; use a password or a client certificate")),

    foreign("pgx", "pool_max_conns", POOL),
    foreign("pgx", "pool_min_conns", POOL),
    foreign("pgx", "pool_min_idle_conns", POOL),
    foreign("pgx", "pool_max_conn_lifetime", POOL),
    foreign("pgx", "pool_max_conn_lifetime_jitter", POOL),
    foreign("pgx", "pool_max_conn_idle_time", POOL),
    foreign("pgx", "pool_health_check_period", POOL),
    foreign("pgx", "default_query_exec_mode", PREPARED),
    foreign("pgx", "statement_cache_capacity", PREPARED),
    foreign("pgx", "description_cache_capacity", PREPARED),
    foreign("pgx", "min_read_buffer_size", DRIVER),

    foreign("node-postgres", "database", Rename("dbname")),
    foreign("node-postgres", "uselibpqcompat", Ignore("asks for libpq's reading, which is the one used")),
    foreign("node-postgres", "encoding", Rename("client_encoding")),
    foreign("node-postgres", "connectionTimeoutMillis", Millis("connect_timeout")),
    foreign("node-postgres", "keepAlive", Words("keepalives", ON_OFF)),
    foreign("node-postgres", "keepAliveInitialDelayMillis", Millis("keepalives_idle")),
    foreign("node-postgres", "query_timeout", Ignore("limits the client's own reads")),
    foreign("node-postgres", "binary", DRIVER),
    foreign("node-postgres", "max", POOL),
    foreign("node-postgres", "min", POOL),
    foreign("node-postgres", "idleTimeoutMillis", POOL),

    foreign("sqlx", "ssl-mode", Rename("sslmode")),
    foreign("sqlx", "ssl-root-cert", Rename("sslrootcert")),
    foreign("sqlx", "ssl-ca", Rename("sslrootcert")),
    foreign("sqlx", "ssl-cert", Rename("sslcert")),
    foreign("sqlx", "ssl-key", Rename("sslkey")),
    foreign("sqlx", "statement-cache-capacity", PREPARED),
    foreign("tokio-postgres", "keepalives_retries", Rename("keepalives_count")),

    foreign("SQLAlchemy", "async_fallback", DRIVER),
    foreign("SQLAlchemy", "prepared_statement_cache_size", PREPARED),
    foreign("asyncpg", "command_timeout", Ignore("limits the client's own reads")),
    foreign("asyncpg", "timeout", Rename("connect_timeout")),
    foreign("pg8000", "ssl_context", Refuse("write sslmode and sslrootcert")),

    foreign("Rails", "pool", POOL),
    foreign("Rails", "adapter", DRIVER),
    foreign("Rails", "checkout_timeout", POOL),
    foreign("Rails", "idle_timeout", POOL),
    foreign("Rails", "reaping_frequency", POOL),
    foreign("Rails", "prepared_statements", PREPARED),
    foreign("Rails", "statement_limit", PREPARED),
    foreign("Rails", "advisory_locks", DRIVER),
    foreign("Rails", "schema_search_path", Setting("search_path")),
    foreign("Rails", "min_messages", Setting("client_min_messages")),
    foreign("Django", "conn_max_age", POOL),
    foreign("Django", "conn_health_checks", POOL),
    foreign("Django", "ssl_require", Weak("sslmode", SSL_WORDS)),
];

const NPGSQL_SSL_MODES: &[(&str, &str)] = &[
    ("disable", "disable"),
    ("allow", "allow"),
    ("prefer", "prefer"),
    ("require", "require"),
    ("verifyca", "verify-ca"),
    ("verifyfull", "verify-full"),
];

/// Names without blanks, case and underscores.
#[rustfmt::skip]
const NPGSQL: &[Foreign] = &[
    foreign("Npgsql", "host", Rename("host")),
    foreign("Npgsql", "server", Rename("host")),
    foreign("Npgsql", "port", Rename("port")),
    foreign("Npgsql", "database", Rename("dbname")),
    foreign("Npgsql", "db", Rename("dbname")),
    foreign("Npgsql", "username", Rename("user")),
    foreign("Npgsql", "user", Rename("user")),
    foreign("Npgsql", "userid", Rename("user")),
    foreign("Npgsql", "uid", Rename("user")),
    foreign("Npgsql", "password", Rename("password")),
    foreign("Npgsql", "passwd", Rename("password")),
    foreign("Npgsql", "pwd", Rename("password")),
    foreign("Npgsql", "psw", Rename("password")),
    foreign("Npgsql", "passfile", Rename("passfile")),
    foreign("Npgsql", "applicationname", Rename("application_name")),
    foreign("Npgsql", "searchpath", Setting("search_path")),
    foreign("Npgsql", "clientencoding", Rename("client_encoding")),
    foreign("Npgsql", "encoding", DRIVER),
    foreign("Npgsql", "timezone", Setting("TimeZone")),
    foreign("Npgsql", "options", Rename("options")),
    foreign("Npgsql", "sslmode", Words("sslmode", NPGSQL_SSL_MODES)),
    foreign("Npgsql", "sslnegotiation", Words("sslnegotiation", &[("direct", "direct"), ("postgres", "postgres")])),
    foreign("Npgsql", "sslcertificate", Rename("sslcert")),
    foreign("Npgsql", "sslkey", Rename("sslkey")),
    foreign("Npgsql", "sslpassword", Rename("sslpassword")),
    foreign("Npgsql", "rootcertificate", Rename("sslrootcert")),
    foreign("Npgsql", "trustservercertificate", Certificate(&[("true", "no-verify"), ("false", "")])),
    foreign("Npgsql", "checkcertificaterevocation", Words("sslcrl", &[("false", "")])),
    foreign("Npgsql", "channelbinding", Words("channel_binding", &[("disable", "disable"), ("prefer", "prefer"), ("require", "require")])),
    foreign("Npgsql", "requireauth", Rename("require_auth")),
    foreign("Npgsql", "gssencryptionmode", Words("gssencmode", &[("disable", "disable"), ("prefer", "prefer"), ("require", "require")])),
    foreign("Npgsql", "kerberosservicename", Rename("krbsrvname")),
    foreign("Npgsql", "includerealm", DRIVER),
    foreign("Npgsql", "integratedsecurity", Words("krbsrvname", &[("false", "")])),
    foreign("Npgsql", "persistsecurityinfo", DRIVER),
    foreign("Npgsql", "logparameters", DRIVER),
    foreign("Npgsql", "includeerrordetail", DRIVER),
    foreign("Npgsql", "includefailedbatchedcommand", DRIVER),
    foreign("Npgsql", "enlist", DRIVER),
    foreign("Npgsql", "timeout", Rename("connect_timeout")),
    foreign("Npgsql", "commandtimeout", DRIVER),
    foreign("Npgsql", "internalcommandtimeout", DRIVER),
    foreign("Npgsql", "cancellationtimeout", DRIVER),
    foreign("Npgsql", "keepalive", DRIVER),
    foreign("Npgsql", "tcpkeepalive", Words("keepalives", ON_OFF)),
    foreign("Npgsql", "tcpkeepalivetime", Rename("keepalives_idle")),
    foreign("Npgsql", "tcpkeepaliveinterval", Rename("keepalives_interval")),
    foreign("Npgsql", "targetsessionattributes", Words("target_session_attrs", &[
        ("any", "any"), ("primary", "primary"), ("standby", "standby"), ("preferprimary", "any"),
        ("preferstandby", "prefer-standby"), ("readwrite", "read-write"), ("readonly", "read-only"),
    ])),
    foreign("Npgsql", "loadbalancehosts", Words("load_balance_hosts", &[("true", "random"), ("false", "disable")])),
    foreign("Npgsql", "hostrecheckseconds", DRIVER),
    foreign("Npgsql", "pooling", POOL),
    foreign("Npgsql", "minimumpoolsize", POOL),
    foreign("Npgsql", "minpoolsize", POOL),
    foreign("Npgsql", "maximumpoolsize", POOL),
    foreign("Npgsql", "maxpoolsize", POOL),
    foreign("Npgsql", "connectionidlelifetime", POOL),
    foreign("Npgsql", "connectionpruninginterval", POOL),
    foreign("Npgsql", "connectionlifetime", POOL),
    foreign("Npgsql", "maxautoprepare", PREPARED),
    foreign("Npgsql", "autoprepareminusages", PREPARED),
    foreign("Npgsql", "multiplexing", DRIVER),
    foreign("Npgsql", "noresetonclose", DRIVER),
    foreign("Npgsql", "readbuffersize", DRIVER),
    foreign("Npgsql", "writebuffersize", DRIVER),
    foreign("Npgsql", "socketreceivebuffersize", DRIVER),
    foreign("Npgsql", "socketsendbuffersize", DRIVER),
    foreign("Npgsql", "writecoalescingbufferthresholdbytes", DRIVER),
    foreign("Npgsql", "loadtablecomposites", DRIVER),
    foreign("Npgsql", "servercompatibilitymode", DRIVER),
    foreign("Npgsql", "arraynullabilitymode", DRIVER),
    foreign("Npgsql", "replicationmode", Refuse("replication connections are not configured by address")),
];

/// The foreign parameter of this name in this dialect.
pub(super) fn find(dialect: Dialect, name: &str) -> Option<&'static Foreign> {
    match (dialect, name) {
        (Dialect::Npgsql, _) => npgsql_name(name),
        (Dialect::Jdbc | Dialect::SqlAlchemy, "ssl") => Some(&STRICT_SSL),
        (Dialect::Libpq, "ssl") => Some(&SSL),
        _ => TABLE.iter().find(|foreign| foreign.name == name),
    }
}

/// Npgsql's parameter of this name; blanks, underscores and case do not count.
pub(super) fn npgsql_name(name: &str) -> Option<&'static Foreign> {
    let name = fold(name);
    NPGSQL.iter().find(|foreign| foreign.name == name)
}

/// Whether any driver but Npgsql knows this name.
pub(super) fn is_known(name: &str) -> bool {
    find(Dialect::Libpq, name).is_some()
}

/// All names that may be meant by a misspelt one.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|foreign| foreign.name)
}

/// The counterpart of a word.
pub(super) fn word(
    words: &'static [(&'static str, &'static str)],
    value: &str,
) -> Option<&'static str> {
    let value = fold(value);
    words
        .iter()
        .find(|(theirs, _)| fold(theirs) == value)
        .map(|(_, ours)| *ours)
}

fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .collect::<String>()
        .to_ascii_lowercase()
}
