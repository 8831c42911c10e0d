//! The bundled PostgreSQL: server programs found, a cluster made, the server started, kept and
//! stopped.
//!
//! It does not route, pool or move anything; it ends where a server takes connections.
//!
//! ```text
//!  gateway ──lease──┐                        a lease is a connection: it ends with its process
//!  gateway ──lease──┼──▶ keeper ──▶ postgres  the keeper owns the server, restarts it after a
//!  (restarted)      ┘    (same program,       crash, and shuts it down after the last lease
//!                         hidden command)
//! ```
//!
//! The server runs as an unprivileged user, in directories that only that user may enter, and
//! listens on a Unix socket unless it is told a port. Applications log in as one role that owns
//! one database, by SCRAM with a generated password; the superuser exists for pgmoor's own work
//! and has no password at all.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pgmoor::bundled::{Bundled, BundledSettings, KeeperCommand};
//!
//! let settings = BundledSettings::new("./data", "./state", KeeperCommand::this_program()?);
//! let lease = Bundled::new(settings).start(|step| eprintln!("{step}")).await?;
//! println!("{}", lease.address().socket().display());
//! lease.stop().await;
//! # Ok(()) }
//! ```
//!
//! The program that starts a server must offer the hidden command `keeper`, which calls
//! [`keeper::main`] and returns what it returns.

mod version;

mod installation;

mod settings;

mod progress;

mod protocol;

mod archive;

mod error;

mod account;

mod layout;

mod discover;

mod memory;

mod conf;

mod pidfile;

mod child;

pub mod keeper;

mod cluster;

mod session;

mod roles;

mod launch;

mod lease;

mod status;

use std::sync::Arc;

pub use archive::ArchiveError;
pub use discover::{Found, discover};
pub use error::BundledError;
pub use installation::{Installation, Looked};
pub use lease::{BundledAddress, Lease, StopOutcome};
pub use progress::Progress;
pub use protocol::ServerState;
pub use settings::{BundledSettings, KeeperCommand};
pub use status::{Status, status};
pub use version::{SUPPORTED_MAJORS, Version};

/// A bundled server as it is configured; [`start`](Bundled::start) makes it real.
#[derive(Debug, Clone)]
pub struct Bundled {
    settings: Arc<BundledSettings>,
}

impl Bundled {
    /// Takes the settings; does nothing yet.
    pub fn new(settings: BundledSettings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Makes the cluster if there is none, starts the server unless it runs, and holds it.
    ///
    /// Killed at any moment, it leaves nothing half-made: the next start goes on or begins again.
    ///
    /// # Errors
    /// No usable server programs, a data directory that is not for this server, a server that does
    /// not come up (with the end of its log), or more time taken than `start_timeout`.
    pub async fn start(&self, mut progress: impl FnMut(Progress)) -> Result<Lease, BundledError> {
        let patience = self.settings.start_timeout;
        let opening = launch::open(&self.settings, &mut progress);
        let opened = tokio::time::timeout(patience, opening)
            .await
            .map_err(|_| {
                let what = format!(
                    "the server in \"{}\" is not ready",
                    self.settings.data_dir.display()
                );
                BundledError::Timeout {
                    what,
                    seconds: patience.as_secs(),
                }
            })??;
        Lease::new(Arc::clone(&self.settings), opened)
    }
}
