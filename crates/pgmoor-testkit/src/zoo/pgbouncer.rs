//! A PgBouncer in front of a private server.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::host::{Account, free_port, give_to, private_dir, write_private};
use crate::postgres::Postgres;
use crate::process::{Guard, Signal, signal, wait_exit};
use crate::wait_for;

/// Where Debian, and then others, keep it.
const PLACES: [&str; 4] = [
    "/usr/sbin/pgbouncer",
    "/usr/bin/pgbouncer",
    "/usr/local/bin/pgbouncer",
    "/opt/homebrew/bin/pgbouncer",
];

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client leaves.
    Session,
    /// When its transaction ends.
    Transaction,
    /// When its statement ends.
    Statement,
}

/// A PgBouncer with one database, `app`, for the user `app`, in front of a private server. It is stopped
/// when this is dropped, and also when the test process is killed.
pub struct PgBouncer {
    port: u16,
    child: Child,
    guard: Guard,
    dir: TempDir,
}

impl PgBouncer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When there is none on this machine, or it does not start.
    pub async fn start(postgres: &Postgres, mode: PoolMode) -> PgBouncer {
        let program = PLACES.iter().map(Path::new).find(|path| path.is_file());
        let program = program.expect("this machine has PgBouncer (cargo x setup test)");
        let account = Account::for_servers();
        let dir = private_dir("bouncer");
        let port = free_port();
        let file = |name: &str| dir.path().join(name);
        write_private(
            &file("users"),
            format!("\"app\" \"{}\"\n", postgres.app_password()),
        );
        write_private(
            &file("pgbouncer.ini"),
            configuration(postgres.port(), port, mode, &file("users")),
        );
        let log = File::create(file("log")).expect("make the log");
        give_to(dir.path(), account).expect("give it to the server's user");
        let mut command = Command::new(program);
        command
            .arg(file("pgbouncer.ini"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("second handle of the log"))
            .stderr(log)
            .process_group(0);
        if let Some(Account { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
        let child = command.spawn().expect("start pgbouncer");
        let guard = Guard::new("kill -QUIT \"$1\"", &child.id().to_string());
        let this = PgBouncer {
            port,
            child,
            guard,
            dir,
        };
        wait_for("PgBouncer to listen", Duration::from_secs(30), async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        this
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn configuration(server: u16, port: u16, mode: PoolMode, users: &Path) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
    };
    format!(
        "[databases]\napp = host=127.0.0.1 port={server} dbname=app\n\n[pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n",
        users.display()
    )
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::QUIT);
        wait_exit(&mut self.child, Duration::from_secs(5));
        self.guard.dismiss();
    }
}
