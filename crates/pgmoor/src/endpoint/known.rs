//! libpq's own parameters, with the environment variables that stand for them.

/// A parameter of libpq 18.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// The environment variable, if there is one.
    pub(super) variable: Option<&'static str>,
}

const fn plain(name: &'static str) -> Keyword {
    Keyword {
        name,
        variable: None,
    }
}

const fn env(name: &'static str, variable: &'static str) -> Keyword {
    Keyword {
        name,
        variable: Some(variable),
    }
}

/// All of them, in libpq's order.
pub(super) const KEYWORDS: &[Keyword] = &[
    env("service", "PGSERVICE"),
    env("user", "PGUSER"),
    env("password", "PGPASSWORD"),
    env("passfile", "PGPASSFILE"),
    env("channel_binding", "PGCHANNELBINDING"),
    env("connect_timeout", "PGCONNECT_TIMEOUT"),
    env("dbname", "PGDATABASE"),
    env("host", "PGHOST"),
    env("hostaddr", "PGHOSTADDR"),
    env("port", "PGPORT"),
    env("client_encoding", "PGCLIENTENCODING"),
    env("options", "PGOPTIONS"),
    env("application_name", "PGAPPNAME"),
    plain("fallback_application_name"),
    plain("keepalives"),
    plain("keepalives_idle"),
    plain("keepalives_interval"),
    plain("keepalives_count"),
    plain("tcp_user_timeout"),
    env("sslmode", "PGSSLMODE"),
    env("sslnegotiation", "PGSSLNEGOTIATION"),
    env("sslcompression", "PGSSLCOMPRESSION"),
    env("sslcert", "PGSSLCERT"),
    env("sslkey", "PGSSLKEY"),
    env("sslcertmode", "PGSSLCERTMODE"),
    plain("sslpassword"),
    env("sslrootcert", "PGSSLROOTCERT"),
    env("sslcrl", "PGSSLCRL"),
    env("sslcrldir", "PGSSLCRLDIR"),
    env("sslsni", "PGSSLSNI"),
    env("requirepeer", "PGREQUIREPEER"),
    env("require_auth", "PGREQUIREAUTH"),
    env("min_protocol_version", "PGMINPROTOCOLVERSION"),
    env("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    env("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    env("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    env("gssencmode", "PGGSSENCMODE"),
    env("krbsrvname", "PGKRBSRVNAME"),
    env("gsslib", "PGGSSLIB"),
    env("gssdelegation", "PGGSSDELEGATION"),
    plain("replication"),
    env("target_session_attrs", "PGTARGETSESSIONATTRS"),
    env("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    plain("scram_client_key"),
    plain("scram_server_key"),
    plain("oauth_issuer"),
    plain("oauth_client_id"),
    plain("oauth_client_secret"),
    plain("oauth_scope"),
    plain("sslkeylogfile"),
];

/// Environment variables that libpq sends as server settings.
pub(super) const SETTING_VARIABLES: &[(&str, &str)] = &[
    ("PGDATESTYLE", "DateStyle"),
    ("PGTZ", "TimeZone"),
    ("PGGEQO", "geqo"),
];

/// The keyword of exactly this name.
pub(super) fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Whether libpq knows this name.
pub(super) fn is_keyword(name: &str) -> bool {
    keyword(name).is_some()
}

/// Whether a value under this name must not be shown; foreign spellings included.
pub(super) fn is_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    [
        "password",
        "passwd",
        "pwd",
        "psw",
        "pass",
        "secret",
        "clientkey",
        "serverkey",
        "token",
        "sslinline",
    ]
    .iter()
    .any(|word| name.contains(word))
        && name != "passfile"
}
