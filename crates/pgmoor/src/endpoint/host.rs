//! Where one server listens: a name or an address and a port, or a socket in a directory.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// The port when none is given.
pub const DEFAULT_PORT: u16 = 5432;

/// Where a server's socket is looked for when no host is given.
pub const DEFAULT_SOCKET_DIRECTORY: &str = if cfg!(target_os = "linux") {
    "/var/run/postgresql"
} else {
    "/tmp"
};

/// One server of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// How it is reached.
    pub target: Target,
    /// Its port; part of the file name for a socket.
    pub port: u16,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// By TCP, name known: the name is resolved, checked against the certificate and looked up
    /// in the passfile. An `address` (`hostaddr`) spares the resolving only.
    Name {
        /// A DNS name, or an address in text form.
        name: String,
        /// Where to connect to instead of resolving `name`.
        address: Option<IpAddr>,
    },
    /// By TCP, only the address known (`hostaddr` without `host`): `verify-full` is impossible.
    Address(IpAddr),
    /// By the socket `.s.PGSQL.<port>` in this directory; a leading `@` means Linux' abstract names.
    Socket(PathBuf),
}

impl Host {
    /// A server reached by name (or address in text form).
    pub fn tcp(name: impl Into<String>, port: u16) -> Self {
        Self {
            target: Target::Name {
                name: name.into(),
                address: None,
            },
            port,
        }
    }

    /// A server reached by its socket in `directory`.
    pub fn socket(directory: impl Into<PathBuf>, port: u16) -> Self {
        Self {
            target: Target::Socket(directory.into()),
            port,
        }
    }

    /// The name to resolve and to find in the server's certificate; none for sockets and bare addresses.
    pub fn name(&self) -> Option<&str> {
        match &self.target {
            Target::Name { name, .. } => Some(name),
            Target::Address(_) | Target::Socket(_) => None,
        }
    }

    /// The address to connect to when nothing is to be resolved.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.target {
            Target::Name { name, address } => address.or_else(|| name.parse().ok()),
            Target::Address(address) => Some(*address),
            Target::Socket(_) => None,
        }
    }

    /// Whether it is reached by a Unix socket (no TLS, no keepalives there).
    pub fn is_socket(&self) -> bool {
        matches!(self.target, Target::Socket(_))
    }

    /// The file name of the socket; a leading `@` stands for the NUL of an abstract name.
    pub fn socket_path(&self) -> Option<PathBuf> {
        match &self.target {
            Target::Socket(directory) => Some(directory.join(format!(".s.PGSQL.{}", self.port))),
            Target::Name { .. } | Target::Address(_) => None,
        }
    }

    /// The host as a passfile line names it: the default socket directory is `localhost` there.
    pub fn passfile_name(&self) -> String {
        match &self.target {
            Target::Name { name, .. } => name.clone(),
            Target::Address(address) => address.to_string(),
            Target::Socket(directory) if directory.as_os_str() == DEFAULT_SOCKET_DIRECTORY => {
                "localhost".to_owned()
            }
            Target::Socket(directory) => directory.display().to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Name { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Target::Name { name, .. } => write!(f, "{name}:{}", self.port),
            Target::Address(address @ IpAddr::V6(_)) => write!(f, "[{address}]:{}", self.port),
            Target::Address(address) => write!(f, "{address}:{}", self.port),
            Target::Socket(directory) => {
                write!(f, "{}/.s.PGSQL.{}", directory.display(), self.port)
            }
        }
    }
}
