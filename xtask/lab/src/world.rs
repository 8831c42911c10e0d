//! What every measurement stands on: a private PostgreSQL with pgbench's tables, an authority, a
//! directory for the gates.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use pgmoor_testkit::{Ca, Certificate, Postgres, client_config, client_program, private_dir};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use xtask::failure::{Context, Failure};

use crate::address::Address;
use crate::process::give_to_server;

/// pgbench's scale: this many times 100,000 accounts.
pub(crate) const SCALE: u32 = 16;

/// A role that PostgreSQL and every gate lets in over TCP without a password.
pub(crate) const TRUSTED: &str = "visitor";

/// Not for data that matters: the disk shall not be what is measured.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "30min"),
    ("max_connections", "700"),
];

pub(crate) struct World {
    pub(crate) postgres: Postgres,
    pub(crate) certificate: Certificate,
    /// TLS as our own client speaks it.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// The SCRAM verifier of `app`, which the gates know it by.
    pub(crate) verifier: String,
    pub(crate) scratch: TempDir,
    // After the server, which it drives.
    _runtime: Runtime,
}

impl World {
    /// Starts the server and fills pgbench's tables.
    pub(crate) fn start() -> Result<World, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(|| "cannot start a runtime".into())?;
        let ca = Ca::default();
        let mut builder = Postgres::builder()
            .tls(&ca)
            .hba(&format!("host all {TRUSTED} 127.0.0.1/32 trust"));
        for (name, value) in SETTINGS {
            builder = builder.conf(name, value);
        }
        let postgres = runtime.block_on(builder.start());
        let sql = format!("create role {TRUSTED} login in role app");
        runtime.block_on(postgres.psql(&sql));
        let sql = "select rolpassword from pg_authid where rolname = 'app'";
        let verifier = runtime.block_on(postgres.psql(sql));

        let scratch = private_dir("lab");
        give_to_server(scratch.path())?;
        let world = World {
            tls: client_config(&ca, None),
            certificate: ca.server(),
            verifier,
            postgres,
            scratch,
            _runtime: runtime,
        };
        world.fill()?;
        Ok(world)
    }

    /// The server itself over TCP, or TLS.
    pub(crate) fn direct(&self, tls: bool) -> Address {
        Address {
            host: "127.0.0.1".into(),
            port: self.postgres.port(),
            user: "app".into(),
            password: self.postgres.app_password().into(),
            database: "app".into(),
            tls,
        }
    }

    /// The server's Unix socket.
    pub(crate) fn direct_unix(&self) -> Address {
        Address {
            host: self.postgres.socket_dir().display().to_string(),
            ..self.direct(false)
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn fill(&self) -> Result<(), Failure> {
        let mut command = Command::new(client_program("pgbench"));
        command.args(["--initialize", "--quiet", "--scale", &SCALE.to_string()]);
        // It writes its progress to its standard error; nobody waits long enough to read it.
        let output = self
            .direct_unix()
            .tell(&mut command)
            .output()
            .context(|| "cannot start pgbench".into())?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::new("cannot fill pgbench's tables")
            .because(String::from_utf8_lossy(&output.stderr)))
    }
}
