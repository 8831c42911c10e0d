//! A gateway with a server behind it, bundled or external, and the ways to both.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgmoor_testkit::{Pgbench, Pgmoor, PgmoorBuilder, Postgres, client_program};
use tempfile::TempDir;
use tokio_postgres::Config;

use crate::clients::make_ledger;

/// Pool settings of every test; few server connections, so that clients share them.
pub(crate) const POOL: &str = "pool: { mode: transaction, size: 4 }";

/// Whether this test may have mounts of its own, as only root may; where not, it says aloud that it
/// shows nothing.
pub(crate) fn can_mount(what: &str) -> bool {
    let unshare = Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .stderr(Stdio::null())
        .status();
    let can = unshare.is_ok_and(|status| status.success());
    if !can {
        skipped(what, "it needs mounts of its own, which only root may have");
    }
    can
}

/// Says that a test shows nothing here; not by the macros, whose output is hidden when it succeeds.
pub(crate) fn skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}

/// How often, how many or how long: what CI has time for, unless a variable asks for more.
pub(crate) fn number_from(variable: &str, otherwise: usize) -> usize {
    let asked = std::env::var(variable).ok();
    asked.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A process that is about to be started.
pub(crate) fn pgmoor() -> PgmoorBuilder {
    let psql = client_program("psql");
    let programs = psql.parent().unwrap_or(Path::new("/")).display();
    Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor")).env("PGMOOR_PG_BIN", &programs.to_string())
}

/// One that serves `app` from this server.
pub(crate) fn pgmoor_before(postgres: &Postgres) -> PgmoorBuilder {
    let url = postgres.url();
    pgmoor().config(&format!(
        "databases: {{ app: {{ url: \"{url}\", {POOL} }} }}"
    ))
}

/// The server behind the gateway.
enum Behind {
    External(Box<Postgres>),
    Bundled(TempDir),
}

/// A gateway that serves `app`, with the table of the ledger.
pub(crate) struct Site {
    pub(crate) pgmoor: Pgmoor,
    behind: Behind,
}

impl Site {
    pub(crate) async fn external() -> Site {
        let postgres = Postgres::start().await;
        let pgmoor = pgmoor_before(&postgres).start().await;
        Site::new(pgmoor, Behind::External(Box::new(postgres))).await
    }

    pub(crate) async fn bundled() -> Site {
        // The server's user has to pass through it.
        let home = tempfile::Builder::new()
            .prefix("pgmoor-data-")
            .tempdir_in("/tmp");
        let home = home.expect("make a directory");
        let open = fs::Permissions::from_mode(0o711);
        fs::set_permissions(home.path(), open).expect("open the directory");
        let data = home.path().join("data");
        let pgmoor = pgmoor()
            .config(&format!(
                "databases: {{ app: {{ endpoint: own, {POOL} }} }}\n\
                 endpoints: {{ own: {{ bundled: {{ data_dir: \"{}\" }} }} }}",
                data.display()
            ))
            .start()
            .await;
        Site::new(pgmoor, Behind::Bundled(home)).await
    }

    async fn new(pgmoor: Pgmoor, behind: Behind) -> Site {
        let site = Site { pgmoor, behind };
        make_ledger(&site.gate()).await;
        site
    }

    /// To the gateway, as its user.
    pub(crate) fn gate(&self) -> Config {
        gate(&self.pgmoor)
    }

    /// To the server itself.
    pub(crate) fn direct(&self) -> Config {
        let mut config = Config::new();
        config.user("app").dbname("app");
        match &self.behind {
            Behind::External(postgres) => {
                config.host("127.0.0.1").port(postgres.port());
                config.password(postgres.app_password());
            }
            Behind::Bundled(_) => {
                let note = self.note();
                let line = |number: usize| note.lines().nth(number).unwrap_or_default().trim();
                config.port(line(3).parse().expect("a port"));
                config.host_path(line(4));
                let file = self.pgmoor.state_dir().join("bundled.app.password");
                let password = fs::read_to_string(file).expect("read the server's password");
                config.password(password.trim_end());
            }
        }
        config
    }

    /// The external server.
    ///
    /// # Panics
    ///
    /// When it is bundled.
    pub(crate) fn postgres(&self) -> &Postgres {
        match &self.behind {
            Behind::External(postgres) => postgres,
            Behind::Bundled(_) => panic!("the server is bundled"),
        }
    }

    /// The server's first process.
    pub(crate) fn postmaster(&self) -> u32 {
        let note = self.note();
        let first = note.lines().next().and_then(|line| line.parse().ok());
        first.expect("the server has noted its process")
    }

    /// Load, as `app`.
    pub(crate) fn pgbench(&self) -> Pgbench {
        let pgmoor = &self.pgmoor;
        let password = pgmoor.generated_password();
        Pgbench::at("127.0.0.1", pgmoor.port(), "app", &password, "app")
            .script("select count(*) from ledger;\n")
    }

    /// Where the server's data is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        match &self.behind {
            Behind::External(postgres) => postgres.data_dir(),
            Behind::Bundled(home) => home.path().join("data"),
        }
    }

    /// What PostgreSQL notes about itself.
    fn note(&self) -> String {
        fs::read_to_string(self.data_dir().join("postmaster.pid")).expect("the server runs")
    }
}

/// To a gateway over TCP, as the user that it has made.
pub(crate) fn gate(pgmoor: &Pgmoor) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(pgmoor.port());
    config.user("app").dbname("app");
    config.password(pgmoor.generated_password());
    config
}
