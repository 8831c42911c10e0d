//! The address of a served database as its clients use it, made from the configuration.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use pgmoor::Secret;
use pgmoor::settings::plain;
use pgmoor_gateway::settings::{GatewaySettings, TlsMode};
use pgmoor_gateway::{DEFAULT_USER, state_dir};

use crate::config::settings::{APP, Settings};
use crate::exit::Exit;
use crate::output::Failure;

/// The port in a socket's name when the gateway listens on no TCP port.
const DEFAULT_PORT: u16 = 6432;

/// Where and as whom a client connects.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// A host name or IP address, or a socket's directory.
    pub(crate) host: String,
    /// The port, also of a socket.
    pub(crate) port: u16,
    /// The database.
    pub(crate) database: String,
    /// The user.
    pub(crate) user: String,
    /// The password, when pgmoor knows it.
    pub(crate) password: Option<Secret<String>>,
    /// Whether the gateway demands TLS.
    pub(crate) needs_tls: bool,
}

impl Address {
    /// The address of the named database, else of `app`, else of the only one.
    ///
    /// # Errors
    /// There is no such database, or no saying which is meant.
    pub(crate) fn of(settings: &Settings, database: Option<&str>) -> Result<Self, Failure> {
        let database = pick_database(settings, database)?;
        let (host, port) = place(&settings.gateway)?;
        let (user, password) = login(&settings.gateway, &database)?;
        let needs_tls = settings.gateway.tls.mode == TlsMode::Require && !host.starts_with('/');
        Ok(Self {
            host,
            port,
            database,
            user,
            password,
            needs_tls,
        })
    }

    /// As a URI; the password is hidden unless `raw`.
    pub(crate) fn url(&self, raw: bool) -> String {
        let password = match &self.password {
            Some(password) if raw => format!(":{}", encode(password.expose())),
            Some(_) => ":***".to_owned(),
            None => String::new(),
        };
        let login = format!("{}{password}", encode(&self.user));
        let database = encode(&self.database);
        if self.host.starts_with('/') {
            return format!(
                "postgres://{login}@/{database}?host={}&port={}",
                encode(&self.host),
                self.port
            );
        }
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let tls = if self.needs_tls {
            "?sslmode=require"
        } else {
            ""
        };
        format!("postgres://{login}@{host}:{}/{database}{tls}", self.port)
    }

    /// libpq's variables, without the password.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
        ];
        if self.needs_tls {
            variables.push(("PGSSLMODE", "require".to_owned()));
        }
        variables
    }

    /// Fails when there should be a password that nobody has made yet.
    pub(crate) fn require_password(&self, gateway: &GatewaySettings) -> Result<(), Failure> {
        if self.password.is_some() || !has_generated_login(gateway) {
            return Ok(());
        }
        Err(Failure::new(Exit::Unreachable, format!("there is no password for the user \"{}\" yet", self.user))
            .cause(format!("{} does not exist", password_file(gateway).display()))
            .hint("it is made by the first pgmoor up; start that, or run this with the same configuration and directory"))
    }
}

/// Whether pgmoor makes the user `app` and its password itself.
pub(crate) fn has_generated_login(gateway: &GatewaySettings) -> bool {
    pgmoor_gateway::has_generated_user(gateway)
}

/// Where the generated password is kept.
pub(crate) fn password_file(gateway: &GatewaySettings) -> PathBuf {
    state_dir::password_file(&gateway.state_dir, DEFAULT_USER)
}

fn pick_database(settings: &Settings, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = settings.databases.keys().map(String::as_str).collect();
    match named {
        Some(name) if names.contains(&name) => Ok(name.to_owned()),
        Some(name) => {
            let failure = Failure::new(Exit::Usage, format!("there is no database \"{name}\""));
            Err(
                match pgmoor::settings::nearest(name, names.iter().copied()) {
                    Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
                    None => failure.hint(format!("there are {}", names.join(", "))),
                },
            )
        }
        None if names.contains(&APP) => Ok(APP.to_owned()),
        None => match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            _ => Err(
                Failure::new(Exit::Usage, "there is more than one database").hint(format!(
                    "add --database NAME; there are {}",
                    names.join(", ")
                )),
            ),
        },
    }
}

/// A wildcard address is reached over the loopback interface.
fn place(gateway: &GatewaySettings) -> Result<(String, u16), Failure> {
    if let Some(address) = gateway.listen.iter().find(|address| address.port() != 0) {
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        return Ok((host.to_string(), address.port()));
    }
    let Some(directory) = gateway.unix_sockets.first() else {
        return Err(
            Failure::new(Exit::Usage, "the address is not known beforehand")
                .cause("\"gateway.listen\" has port 0")
                .hint("give \"gateway.listen\" a port, or set \"gateway.unix_sockets\""),
        );
    };
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
    let port = gateway
        .listen
        .first()
        .map_or(DEFAULT_PORT, |address| address.port());
    Ok((directory.display().to_string(), port))
}

/// The user `app`, else the first who may use the database; one whose password we know is preferred.
fn login(
    gateway: &GatewaySettings,
    database: &str,
) -> Result<(String, Option<Secret<String>>), Failure> {
    if has_generated_login(gateway) {
        return Ok((APP.to_owned(), read_generated(&password_file(gateway))?));
    }
    let mut allowed: Vec<_> = gateway
        .auth
        .users
        .iter()
        .filter(|(_, user)| {
            user.databases.is_empty() || user.databases.iter().any(|name| name == database)
        })
        .collect();
    allowed.sort_by_key(|(name, user)| (*name != APP, user.password.is_none()));
    match allowed.first() {
        Some((name, user)) => Ok(((*name).clone(), user.password.clone())),
        None => Err(Failure::new(
            Exit::Usage,
            format!("no user may connect to the database \"{database}\""),
        )
        .hint(format!(
            "add \"{database}\" to a user's \"databases\" under \"gateway.auth.users\""
        ))),
    }
}

fn read_generated(path: &Path) -> Result<Option<Secret<String>>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Secret::new(
            text.trim_end_matches(['\r', '\n']).to_owned(),
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(
            Failure::new(Exit::Usage, "cannot read the generated password")
                .cause(format!("{}: {}", path.display(), plain(&error)))
                .hint("run this as the user that runs pgmoor up"),
        ),
    }
}

/// Percent-encodes everything that has a meaning in a URI.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str) -> Address {
        Address {
            host: host.to_owned(),
            port: 6432,
            database: "my db".to_owned(),
            user: "app".to_owned(),
            password: Some(Secret::from("p@s/s")),
            needs_tls: false,
        }
    }

    #[test]
    fn password_is_hidden_unless_asked_for() {
        assert_eq!(
            address("127.0.0.1").url(false),
            "postgres://app:***@127.0.0.1:6432/my%20db"
        );
        assert_eq!(
            address("::1").url(true),
            "postgres://app:p%40s%2Fs@[::1]:6432/my%20db"
        );
    }

    #[test]
    fn a_socket_stands_in_the_query() {
        assert_eq!(
            address("/run/pgmoor").url(false),
            "postgres://app:***@/my%20db?host=%2Frun%2Fpgmoor&port=6432"
        );
    }
}
