//! An endpoint as a connection URI again: for logs without its secrets, for `pgmoor url` with them.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;

use super::host::{Host, Target};
use super::tls::RootCert;
use super::{Endpoint, Keepalives, TlsSettings};

/// All but what no reader of URIs gives a meaning to.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// In a query value these are safe too, and read better.
const IN_QUERY: &AsciiSet = &ENCODED
    .remove(b'/')
    .remove(b':')
    .remove(b',')
    .remove(b'!')
    .remove(b'*');

/// What stands in place of a secret.
const MASK: &str = "***";

/// Writes the URI; secrets only when `reveal`.
pub(super) fn uri(endpoint: &Endpoint, reveal: bool) -> String {
    let mut uri = "postgresql://".to_owned();
    if endpoint.user.is_some() || endpoint.password.is_some() {
        uri.extend(utf8_percent_encode(
            endpoint.user.as_deref().unwrap_or_default(),
            ENCODED,
        ));
        if let Some(password) = &endpoint.password {
            uri.push(':');
            uri.push_str(&shown(password.expose(), reveal, ENCODED));
        }
        uri.push('@');
    }
    let hosts: Vec<String> = endpoint.hosts.iter().map(authority).collect();
    uri.push_str(&hosts.join(","));
    if let Some(dbname) = &endpoint.dbname {
        uri.push('/');
        uri.extend(utf8_percent_encode(dbname, ENCODED));
    }
    let mut query = Query {
        text: String::new(),
        reveal,
    };
    query_of(endpoint, &mut query);
    uri + &query.text
}

fn shown(secret: &str, reveal: bool, set: &'static AsciiSet) -> String {
    if reveal {
        utf8_percent_encode(secret, set).to_string()
    } else {
        MASK.to_owned()
    }
}

fn authority(host: &Host) -> String {
    let name = match &host.target {
        Target::Name { name, .. } if name.contains(':') => {
            format!("[{}]", name.replace('%', "%25"))
        }
        Target::Name { name, .. } => utf8_percent_encode(name, ENCODED).to_string(),
        // Named in `hostaddr`.
        Target::Address(_) => String::new(),
        Target::Socket(directory) => {
            utf8_percent_encode(&directory.to_string_lossy(), ENCODED).to_string()
        }
    };
    format!("{name}:{}", host.port)
}

struct Query {
    text: String,
    reveal: bool,
}

impl Query {
    fn add(&mut self, name: &str, value: Option<impl ToString>) {
        let Some(value) = value.map(|value| value.to_string()) else {
            return;
        };
        let mark = if self.text.is_empty() { '?' } else { '&' };
        let name = utf8_percent_encode(name, ENCODED);
        let value = utf8_percent_encode(&value, IN_QUERY);
        write!(self.text, "{mark}{name}={value}").expect("writing to a String does not fail");
    }

    fn add_unless<T: ToString + PartialEq>(&mut self, name: &str, value: T, default: T) {
        self.add(name, (value != default).then_some(value));
    }

    fn add_secret(&mut self, name: &str, value: Option<&Secret<String>>) {
        let reveal = self.reveal;
        match value {
            Some(_) if !reveal => {
                let mark = if self.text.is_empty() { '?' } else { '&' };
                write!(self.text, "{mark}{name}={MASK}")
                    .expect("writing to a String does not fail");
            }
            value => self.add(name, value.map(|secret| secret.expose())),
        }
    }
}

fn query_of(endpoint: &Endpoint, query: &mut Query) {
    if endpoint.hosts.iter().any(|host| hostaddr(host).is_some()) {
        let list: Vec<String> = endpoint
            .hosts
            .iter()
            .map(|host| hostaddr(host).unwrap_or_default())
            .collect();
        query.add("hostaddr", Some(list.join(",")));
    }
    tls(&endpoint.tls, query);
    query.add_unless(
        "channel_binding",
        endpoint.channel_binding,
        Default::default(),
    );
    query.add(
        "require_auth",
        Some(&endpoint.require_auth).filter(|required| !required.is_any()),
    );
    if let Some(keys) = &endpoint.scram_keys {
        let text = |key: &Secret<[u8; 32]>| {
            Secret::new(base64::engine::general_purpose::STANDARD.encode(key.expose()))
        };
        query.add_secret("scram_client_key", Some(&text(&keys.client_key)));
        query.add_secret("scram_server_key", Some(&text(&keys.server_key)));
    }
    query.add("requirepeer", endpoint.requirepeer.as_ref());
    query.add(
        "passfile",
        endpoint.passfile.as_ref().map(|path| path.display()),
    );
    query.add_unless(
        "target_session_attrs",
        endpoint.target_session_attrs,
        Default::default(),
    );
    query.add_unless(
        "load_balance_hosts",
        endpoint.load_balance_hosts,
        Default::default(),
    );
    query.add("connect_timeout", endpoint.connect_timeout.map(seconds));
    keepalives(&endpoint.keepalives, query);
    query.add(
        "tcp_user_timeout",
        endpoint.tcp_user_timeout.map(|time| time.as_millis()),
    );
    query.add("min_protocol_version", endpoint.min_protocol_version);
    query.add("max_protocol_version", endpoint.max_protocol_version);
    query.add("application_name", endpoint.application_name.as_ref());
    query.add(
        "fallback_application_name",
        endpoint.fallback_application_name.as_ref(),
    );
    query.add("client_encoding", endpoint.client_encoding.as_ref());
    query.add("replication", endpoint.replication.as_ref());
    options(endpoint, query);
}

/// The server splits `options` at blanks, and `\` takes the next character as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || c.is_ascii_whitespace() || c == '\x0b' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Server settings become `options`, which every libpq understands.
fn options(endpoint: &Endpoint, query: &mut Query) {
    let given = endpoint.options.clone();
    let settings = endpoint
        .startup_parameters
        .iter()
        .map(|(name, value)| format!("-c {name}={}", escape(value)));
    let all: Vec<String> = given.into_iter().chain(settings).collect();
    query.add("options", (!all.is_empty()).then(|| all.join(" ")));
}

fn tls(tls: &TlsSettings, query: &mut Query) {
    let default = TlsSettings::default();
    match &tls.root_cert {
        RootCert::Unverified => query.add("sslmode", Some("no-verify")),
        RootCert::System => query.add("sslmode", Some(tls.mode)),
        RootCert::Default | RootCert::File(_) => {
            query.add_unless("sslmode", tls.mode, default.mode)
        }
    }
    query.add_unless("sslnegotiation", tls.negotiation, default.negotiation);
    match &tls.root_cert {
        RootCert::Default | RootCert::Unverified => {}
        RootCert::System => query.add("sslrootcert", Some("system")),
        RootCert::File(path) => query.add("sslrootcert", Some(path.display())),
    }
    query.add(
        "sslcert",
        tls.certificate.as_ref().map(|path| path.display()),
    );
    query.add("sslkey", tls.key.as_ref().map(|path| path.display()));
    query.add_secret("sslpassword", tls.key_password.as_ref());
    query.add_unless(
        "sslcertmode",
        tls.certificate_mode,
        default.certificate_mode,
    );
    query.add("sslcrl", tls.crl.as_ref().map(|path| path.display()));
    query.add(
        "sslcrldir",
        tls.crl_directory.as_ref().map(|path| path.display()),
    );
    query.add("sslsni", (!tls.sni).then_some("0"));
    query.add("ssl_min_protocol_version", tls.min_version);
    query.add("ssl_max_protocol_version", tls.max_version);
}

fn keepalives(keepalives: &Keepalives, query: &mut Query) {
    query.add("keepalives", (!keepalives.enabled).then_some("0"));
    query.add("keepalives_idle", keepalives.idle.map(seconds));
    query.add("keepalives_interval", keepalives.interval.map(seconds));
    query.add("keepalives_count", keepalives.count);
}

fn hostaddr(host: &Host) -> Option<String> {
    match &host.target {
        Target::Name { address, .. } => address.map(|address| address.to_string()),
        Target::Address(address) => Some(address.to_string()),
        Target::Socket(_) => None,
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}
