//! What a caller decides about its bundled server; nothing here is read from the environment.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings;

/// Settings of one bundled server.
#[derive(Debug, Clone)]
pub struct BundledSettings {
    /// The data directory; created when it does not exist.
    pub data_dir: PathBuf,
    /// Where generated passwords and unpacked server programs are kept (0700, or 0711 when root
    /// runs the server as another user).
    pub state_dir: PathBuf,
    /// A directory or archive of server programs; nothing else is looked at when it is set.
    pub binaries: Option<PathBuf>,
    /// The value of `PGMOOR_PG_BIN`: a directory, used when `binaries` is not set.
    pub pg_bin: Option<PathBuf>,
    /// The value of `PATH`, searched for `pg_config`.
    pub search_path: Option<OsString>,
    /// A TCP port on localhost; without one the server listens on its Unix socket only.
    pub port: Option<u16>,
    /// The operating system's user to run the server when started by root.
    /// Default: the owner of the data directory, else `postgres`, else `nobody`.
    pub os_user: Option<String>,
    /// The role that applications log in as; owns `database`.
    pub role: String,
    /// The application's database.
    pub database: String,
    /// More databases of the same role.
    pub other_databases: Vec<String>,
    /// PostgreSQL's `max_connections`.
    pub max_connections: u16,
    /// How the keeper process is started.
    pub keeper: KeeperCommand,
    /// How long the server stays up after the last lease, so that a restarting gateway finds it.
    pub linger: Duration,
    /// How long a start, with crash recovery, may take before it is given up.
    pub start_timeout: Duration,
    /// How long a fast shutdown may take before the server is stopped by force.
    pub stop_timeout: Duration,
}

impl BundledSettings {
    /// Settings as the configuration file has them.
    ///
    /// What it does not say keeps its default: see [`BundledSettings::new`].
    pub fn configured(
        config: &settings::BundledSettings,
        state_dir: impl Into<PathBuf>,
        keeper: KeeperCommand,
    ) -> Self {
        Self {
            binaries: config.binaries.clone(),
            port: config.port.map(NonZeroU16::get),
            start_timeout: config.start_timeout,
            stop_timeout: config.stop_timeout,
            ..Self::new(&config.data_dir, state_dir, keeper)
        }
    }

    /// Settings with defaults for a server in `data_dir`.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        state_dir: impl Into<PathBuf>,
        keeper: KeeperCommand,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            state_dir: state_dir.into(),
            binaries: None,
            pg_bin: None,
            search_path: None,
            port: None,
            os_user: None,
            role: "app".to_owned(),
            database: "app".to_owned(),
            other_databases: Vec::new(),
            max_connections: 100,
            keeper,
            linger: Duration::from_secs(2),
            start_timeout: Duration::from_secs(300),
            stop_timeout: Duration::from_secs(60),
        }
    }
}

/// The program and arguments that end up in [`keeper::main`](super::keeper::main).
///
/// The keeper gets its work over standard input, so no argument ever holds more than a word.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct KeeperCommand {
    /// The program; it must be executable for the user that runs the server.
    pub program: PathBuf,
    /// Its arguments, usually the one hidden command `keeper`.
    pub args: Vec<String>,
}

impl KeeperCommand {
    /// The running program again, with the hidden command `keeper`.
    ///
    /// # Errors
    /// Fails when the operating system cannot tell the program's path.
    pub fn this_program() -> std::io::Result<Self> {
        // On Linux the link works even after the file was replaced by an upgrade, and for a user
        // who may not search the directories above it (a checkout below /root).
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self {
            program,
            args: vec!["keeper".to_owned()],
        })
    }
}
