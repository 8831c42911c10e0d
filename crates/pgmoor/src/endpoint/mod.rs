//! Every way people write a PostgreSQL address, read into one [`Endpoint`].
//!
//! ```text
//! text ──> form: uri | keyword | schemeless | jdbc | npgsql ──> ConnectionString ──> resolve ──> Endpoint
//!                       (foreign names become libpq's)        + service, environment        (typed, checked)
//! ```
//!
//! libpq's URIs and keyword strings are read as libpq 18 reads them. What libpq refuses and others write
//! is translated, and [`Endpoint::notices`] says how. Values are checked here, where libpq checks them
//! only when it connects.
//!
//! Nothing here touches the network or the process environment; the only files read are those whose path
//! is passed to [`Endpoint::load`], [`service`] and [`passfile`].

mod words;

mod host;

mod require_auth;

mod tls;

mod notice;

mod error;

mod environment;

mod known;

mod server_settings;

mod raw;

mod foreign;

mod keyword;

mod uri;

mod schemeless;

mod jdbc;

mod npgsql;

mod form;

pub mod service;

pub mod passfile;

mod connection_string;

mod translate;

mod resolve_hosts;

mod resolve;

mod print;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use pgmoor_wire::Secret;

pub use connection_string::ConnectionString;
pub use environment::Environment;
pub use error::EndpointError;
pub use host::{DEFAULT_PORT, DEFAULT_SOCKET_DIRECTORY, Host, Target};
pub use notice::Notice;
pub use raw::Form;
pub use require_auth::RequireAuth;
pub use tls::{RootCert, TlsSettings, Verification};
pub use words::{
    AuthMethod, ChannelBinding, LoadBalanceHosts, ProtocolVersion, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsVersion,
};

/// A PostgreSQL to connect to: where, as whom, how securely, and with which settings.
///
/// `None` means that the address does not say; the field's documentation has the default.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The servers, at least one, in the order to try them in.
    pub hosts: Vec<Host>,
    /// Whom to log in as; default the name of the operating system's user.
    pub user: Option<String>,
    /// The password, when the address itself has one.
    pub password: Option<Secret<String>>,
    /// The database; see [`Endpoint::database`] for the default.
    pub dbname: Option<String>,
    /// Command line options for the server session (`-c name=value`), as sent in the startup message.
    pub options: Option<String>,
    /// Server settings named by themselves (`search_path=…`), for the startup message.
    pub startup_parameters: Vec<(String, String)>,
    /// The name shown in `pg_stat_activity`.
    pub application_name: Option<String>,
    /// That name when nobody gives one.
    pub fallback_application_name: Option<String>,
    /// The client encoding to ask for.
    pub client_encoding: Option<String>,
    /// The replication mode (`database`, `true`, …); such a connection must not be pooled.
    pub replication: Option<String>,
    /// TLS.
    pub tls: TlsSettings,
    /// Whether the login is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// Which ways to log in are acceptable.
    pub require_auth: RequireAuth,
    /// SCRAM keys that stand for the password.
    pub scram_keys: Option<ScramKeys>,
    /// The operating system's user that a socket's server must run as.
    pub requirepeer: Option<String>,
    /// Where to look passwords up; default `~/.pgpass`.
    pub passfile: Option<PathBuf>,
    /// Which server of the list is acceptable.
    pub target_session_attrs: TargetSessionAttrs,
    /// In which order hosts and addresses are tried.
    pub load_balance_hosts: LoadBalanceHosts,
    /// How long one address may take; none means for ever.
    pub connect_timeout: Option<Duration>,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// How long sent data may stay unacknowledged; none means the system's default.
    pub tcp_user_timeout: Option<Duration>,
    /// The lowest protocol version to accept.
    pub min_protocol_version: Option<ProtocolVersion>,
    /// The highest protocol version to ask for; none leaves it to the connector.
    pub max_protocol_version: Option<ProtocolVersion>,
    form: Form,
    notices: Vec<Notice>,
}

/// TCP keepalives; `None` means the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent at all.
    pub enabled: bool,
    /// Silence before the first.
    pub idle: Option<Duration>,
    /// Time between two.
    pub interval: Option<Duration>,
    /// How many may be lost.
    pub count: Option<u32>,
}

impl Default for Keepalives {
    fn default() -> Self {
        Self {
            enabled: true,
            idle: None,
            interval: None,
            count: None,
        }
    }
}

/// What a SCRAM login needs instead of the password (`scram_client_key`, `scram_server_key`).
#[derive(Debug, Clone)]
pub struct ScramKeys {
    /// Proves us to the server.
    pub client_key: Secret<[u8; 32]>,
    /// Proves the server to us.
    pub server_key: Secret<[u8; 32]>,
}

impl Endpoint {
    /// An endpoint of one server, with libpq's default for everything else.
    pub fn new(host: Host) -> Self {
        Self {
            hosts: vec![host],
            user: None,
            password: None,
            dbname: None,
            options: None,
            startup_parameters: Vec::new(),
            application_name: None,
            fallback_application_name: None,
            client_encoding: None,
            replication: None,
            tls: TlsSettings::default(),
            channel_binding: ChannelBinding::default(),
            require_auth: RequireAuth::default(),
            scram_keys: None,
            requirepeer: None,
            passfile: None,
            target_session_attrs: TargetSessionAttrs::default(),
            load_balance_hosts: LoadBalanceHosts::default(),
            connect_timeout: None,
            keepalives: Keepalives::default(),
            tcp_user_timeout: None,
            min_protocol_version: None,
            max_protocol_version: None,
            form: Form::default(),
            notices: Vec::new(),
        }
    }

    /// Reads an address in any form; what it leaves open takes libpq's defaults.
    ///
    /// ```
    /// use pgmoor::endpoint::{Endpoint, SslMode};
    ///
    /// let endpoint = Endpoint::parse("postgres://app:secret@db.example:5432/app?sslmode=verify-full")?;
    /// assert_eq!(endpoint.hosts[0].name(), Some("db.example"));
    /// assert_eq!(endpoint.tls.mode, SslMode::VerifyFull);
    /// assert_eq!(endpoint.to_string(), "postgresql://app:***@db.example:5432/app?sslmode=verify-full");
    /// # Ok::<(), pgmoor::endpoint::EndpointError>(())
    /// ```
    ///
    /// # Errors
    /// Says what cannot be read, is unknown, wrong, contradictory or not supported; never quotes a password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        ConnectionString::parse(text)?.into_endpoint()
    }

    /// Makes an endpoint from names and values that were never one text.
    ///
    /// # Errors
    /// As for [`Endpoint::parse`].
    pub fn from_parts<N, V>(parts: impl IntoIterator<Item = (N, V)>) -> Result<Self, EndpointError>
    where
        N: AsRef<str>,
        V: Into<String>,
    {
        ConnectionString::from_parts(parts)?.into_endpoint()
    }

    /// Reads an address and fills in what it leaves open from its service file, then from the environment.
    ///
    /// # Errors
    /// As for [`Endpoint::parse`], and when a service is named that no service file has.
    pub fn load(text: &str, environment: &Environment) -> Result<Self, EndpointError> {
        let mut given = ConnectionString::parse(text)?;
        let named = given.get("service").map(|name| name.expose().as_str());
        if let Some(name) = named
            .or_else(|| environment.variable("PGSERVICE"))
            .filter(|name| !name.is_empty())
        {
            let section = service::find(name, &service::files(environment))?;
            given = given.with_section(section);
        }
        given.with_environment(environment).into_endpoint()
    }

    /// The endpoint as a connection URI with `***` in place of every secret.
    pub fn to_redacted_uri(&self) -> String {
        print::uri(self, false)
    }

    /// The endpoint as a connection URI that libpq reads, passwords included.
    pub fn to_uri_with_password(&self) -> Secret<String> {
        Secret::new(print::uri(self, true))
    }

    /// The database to ask for: `dbname`, else the user's name.
    pub fn database(&self) -> Option<&str> {
        self.dbname.as_deref().or(self.user.as_deref())
    }

    /// In which form the address was written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How the address was understood where that was not literally.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What the startup message carries besides `user`, `database` and protocol options, in a fixed order.
    pub fn startup(&self) -> Vec<(String, String)> {
        let application_name = self
            .application_name
            .as_ref()
            .or(self.fallback_application_name.as_ref());
        let named = [
            ("replication", self.replication.as_ref()),
            ("options", self.options.as_ref()),
            ("application_name", application_name),
            ("client_encoding", self.client_encoding.as_ref()),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
        named
            .chain(self.startup_parameters.iter().cloned())
            .collect()
    }
}

impl std::fmt::Display for Endpoint {
    /// As [`Endpoint::to_redacted_uri`].
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_redacted_uri())
    }
}
