//! The gateway's sections of the configuration: databases with their pools, and the gateway itself.
//!
//! Reading files and the environment is not done here.

mod access;
mod database;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use pgmoor::settings::{Loader, Node, Place, Problem, Timeout, Value};
use pgmoor::stream::KeepAlive;

pub use access::{
    AuthSettings, CertificateLogin, ClientCertificate, Passthrough, TlsMode, TlsSettings,
    TrustScope, UserSettings,
};
pub use database::{DatabaseSettings, Databases, PoolMode, PoolSettings, SessionState};

/// The longest path a Unix socket can be bound to, on every system that we run on.
const MAX_SOCKET_PATH: usize = 103;

pgmoor::choices! {
    /// Whether `io_uring` is used.
    pub enum IoUring {
        /// Where the kernel has it and allows it.
        Auto = "auto",
        /// Never.
        Off = "off",
    }
}

pgmoor::settings! {
    /// The gateway that clients connect to.
    pub struct GatewaySettings {
        /// Where clients connect over TCP.
        listen: Vec<SocketAddr> = ["127.0.0.1:6432"], since "0.1";
        /// Directories for Unix sockets; the socket's name is `.s.PGSQL.` with the port of the first
        /// `listen` address.
        unix_sockets: Vec<PathBuf> = ["./.pgmoor"], since "0.1";
        /// Where `/metrics`, `/startup`, `/readiness`, `/liveness` and `/status` are served over HTTP;
        /// `none` for nowhere.
        admin: Option<SocketAddr> = "127.0.0.1:6433", since "0.1";
        /// How many workers serve clients; `0` for one a processor core.
        workers: u32 = "0", range "0..=1024", since "0.1";
        /// Whether busy clients are served by `io_uring`, which costs less CPU; idle ones and new ones
        /// never are. Many container runtimes do not allow it.
        io_uring: IoUring = "auto", since "0.1";
        /// Where pgmoor keeps generated passwords, the admin token and the socket between its own
        /// commands; only its user may look into it.
        state_dir: PathBuf = "./.pgmoor", since "0.1";
        /// How many clients may be connected at once.
        max_client_connections: NonZeroU32 = "10000", range "1..=1000000", since "0.1";
        /// How long a client may take to log in.
        login_timeout: Duration = "15s", range "100ms..=10m", since "0.1";
        /// How long clients may finish their work when pgmoor stops.
        shutdown_timeout: Duration = "30s", range "0..=1d", since "0.1";
        /// How long a client may stay connected without a word; `0` for ever.
        client_idle_timeout: Timeout = "0", range "1s..=30d", since "0.1";
        /// How long a TCP client may be silent before it is probed whether it is still there; `0` for never.
        tcp_keepalives_idle: Timeout = "60s", range "1s..=9h", since "0.1";
        /// How long each probe waits for its answer.
        tcp_keepalives_interval: Duration = "10s", range "1s..=9h", since "0.1";
        /// How many probes without an answer end the connection.
        tcp_keepalives_count: NonZeroU32 = "6", range "1..=127", since "0.1";
        /// How long a TCP client may leave unacknowledged what it was sent, before the connection ends;
        /// `0` for as long as the kernel tries.
        tcp_user_timeout: Timeout = "2m", range "1s..=1d", since "0.1";
        /// TLS between clients and pgmoor.
        tls: TlsSettings, since "0.1";
        /// Who may log in, and how.
        auth: AuthSettings, since "0.1";
    }
    check check_gateway
}

impl GatewaySettings {
    /// When TCP notices that a client is gone.
    pub(crate) fn keepalive(&self) -> KeepAlive {
        let idle = self.tcp_keepalives_idle.get();
        KeepAlive {
            enabled: idle.is_some(),
            idle,
            interval: Some(self.tcp_keepalives_interval),
            count: Some(self.tcp_keepalives_count.get()),
            user_timeout: self.tcp_user_timeout.get(),
        }
    }
}

fn check_gateway(
    gateway: &GatewaySettings,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    let origin = |key: &str| {
        node.entry(key)
            .map_or(&node.origin, |entry| &entry.value.origin)
    };
    if gateway.listen.is_empty() && gateway.unix_sockets.is_empty() {
        loader.report(
            Problem::new(
                origin("listen"),
                format!("\"{}\" listens nowhere", place.key),
            )
            .hint("give an address in \"listen\" or a directory in \"unix_sockets\""),
        );
    }
    for directory in &gateway.unix_sockets {
        let length = directory.join(".s.PGSQL.65535").as_os_str().len();
        if length > MAX_SOCKET_PATH {
            loader.report(
                Problem::new(
                    origin("unix_sockets"),
                    format!(
                        "the directory \"{}\" is too long for a Unix socket",
                        directory.display()
                    ),
                )
                .cause(format!(
                    "the socket's path would have {length} bytes, {MAX_SOCKET_PATH} are possible"
                ))
                .hint("use a shorter directory, such as /run/pgmoor"),
            );
        }
    }
    if let Some(admin) = gateway.admin
        && gateway.listen.contains(&admin)
        && admin.port() != 0
    {
        loader.report(
            Problem::new(
                origin("admin"),
                format!("\"{}.admin\" is also in \"listen\"", place.key),
            )
            .cause(format!("{admin} can serve either clients or HTTP"))
            .hint("give it a port of its own"),
        );
    }
    access::check_clear_text(gateway, origin("auth"), place, loader);
}

/// Reports databases and endpoints that are named but do not exist. It works on the tree, so that
/// these problems are found together with all others.
pub fn check_references(
    databases: &[&str],
    endpoints: &[&str],
    tree: &Node,
    loader: &mut Loader<'_>,
) {
    database::check_endpoints(endpoints, tree, loader);
    access::check_users(databases, tree, loader);
}

/// Shows the gateway's own section as it is in effect, for `SHOW CONFIG`.
pub fn shown(gateway: &GatewaySettings) -> pgmoor::settings::Shown {
    gateway.show()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_stay_on_this_machine() {
        let gateway = GatewaySettings::default();

        assert!(
            gateway
                .listen
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        assert!(
            gateway
                .admin
                .is_some_and(|address| address.ip().is_loopback())
        );
        assert_eq!(gateway.login_timeout, Duration::from_secs(15));
        assert_eq!(gateway.client_idle_timeout, Timeout::OFF);
        assert_eq!(
            PoolSettings::default().lifetime.get(),
            Some(Duration::from_secs(3600))
        );
        assert_eq!(DatabaseSettings::default().pool.mode, PoolMode::Session);
    }
}
