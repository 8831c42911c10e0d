//! A real PostgreSQL server that belongs to one test: own data, own port, own socket, gone at the end.

mod binaries;
mod builder;
mod server;
mod standby;
mod template;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use tempfile::TempDir;

pub use binaries::{client_program, has_major, majors};
pub use builder::PostgresBuilder;
pub use server::Stop;

use crate::host::{Account, give_to, write_private};
use crate::process::{Guard, Signal, signal};
use server::Server;

/// A running private PostgreSQL.
///
/// It has a superuser `postgres`, and a role `app` that owns a database `app`; both have passwords.
/// It listens on a free port of 127.0.0.1 and on a Unix socket, and is stopped and deleted when this
/// is dropped, and also when the test process is killed.
///
/// ```no_run
/// # async fn example() {
/// use pgmoor_testkit::Postgres;
///
/// let postgres = Postgres::start().await;
/// let client = postgres.connect().await;
/// client.execute("create table t (a int)", &[]).await.expect("create a table");
/// assert_eq!(postgres.psql("select count(*) from pg_class where relname = 't'").await, "0");
/// # }
/// ```
///
/// Methods panic when the fixture itself fails, because then the test says nothing.
pub struct Postgres {
    server: Mutex<Server>,
    major: u16,
    port: u16,
    admin_password: String,
    app_password: String,
    guard: Guard,
    dir: TempDir,
}

impl Postgres {
    /// Starts the highest version of this machine with defaults.
    pub async fn start() -> Postgres {
        Postgres::builder().start().await
    }

    /// Starts to describe a server.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// The major version that runs.
    pub fn major(&self) -> u16 {
        self.major
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The Unix socket itself.
    pub fn socket_path(&self) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The password of `postgres`.
    pub fn admin_password(&self) -> &str {
        &self.admin_password
    }

    /// The password of `app`.
    pub fn app_password(&self) -> &str {
        &self.app_password
    }

    /// The address of database `app` for `app` over TCP.
    pub fn url(&self) -> String {
        self.url_of("app", &self.app_password, "app")
    }

    /// The address of database `postgres` for the superuser over TCP.
    pub fn admin_url(&self) -> String {
        self.url_of("postgres", &self.admin_password, "postgres")
    }

    /// An address over TCP; the three words go in as they are.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// A connection to database `app` as `app`, over the Unix socket.
    pub async fn connect(&self) -> tokio_postgres::Client {
        self.connect_as("app", &self.app_password, "app").await
    }

    /// A connection to database `postgres` as the superuser, over the Unix socket.
    pub async fn connect_admin(&self) -> tokio_postgres::Client {
        self.connect_as("postgres", &self.admin_password, "postgres")
            .await
    }

    /// A connection over the Unix socket; it is driven by a task until the client is dropped.
    pub async fn connect_as(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(self.socket_dir())
            .port(self.port)
            .user(user)
            .password(password)
            .dbname(database)
            .connect(tokio_postgres::NoTls)
            .await
            .unwrap_or_else(|error| panic!("connect as {user}: {error}\n{}", self.log()));
        // How it ends is told to whoever uses the client.
        tokio::spawn(async { drop(connection.await) });
        client
    }

    /// Runs SQL as superuser in database `app` by psql, and returns what it prints, unaligned.
    ///
    /// # Panics
    ///
    /// When psql or a statement fails.
    pub async fn psql(&self, sql: &str) -> String {
        match self.try_psql(sql).await {
            Ok(output) => output,
            Err(error) => panic!("psql failed: {error}\n{}", self.log()),
        }
    }

    /// Does what [`Postgres::psql`] does, but returns what psql prints on a failure.
    pub async fn try_psql(&self, sql: &str) -> Result<String, String> {
        let output = tokio::process::Command::new(client_program("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGHOST", self.socket_dir())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", &self.admin_password)
            .env("PGDATABASE", "app")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("run psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Stops the server in the way given, and starts it again at the same address.
    pub async fn restart(&self, how: Stop) {
        self.stop(how).await;
        self.start_again().await;
    }

    /// Stops the server; the data stays, and [`Postgres::start_again`] goes on with it.
    pub async fn stop(&self, how: Stop) {
        self.lock().ask_to_stop(how);
        let deadline = std::time::Duration::from_secs(30);
        crate::wait_for("the server to stop", deadline, async || {
            self.lock().has_stopped()
        })
        .await;
    }

    /// Starts a stopped server and waits until it accepts connections.
    pub async fn start_again(&self) {
        if let Err(log) = server::start(&self.server).await {
            panic!("PostgreSQL does not start again:\n{log}");
        }
    }

    /// Replaces files of the server's directory, such as `server.crt` and `server.key`, and has it
    /// read its configuration again. Connections from now on find what the files say.
    pub async fn replace(&self, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.dir.path().join(name);
            write_private(&path, content);
            give_to(&path, Account::for_servers()).expect("give it to the server's user");
        }
        // It takes no connection while it reads.
        let reads = || self.log().matches("received SIGHUP").count();
        let before = reads();
        signal(self.pid().expect("the server runs"), Signal::HUP);
        let deadline = std::time::Duration::from_secs(30);
        crate::wait_for("the server to reload", deadline, async || reads() > before).await;
    }

    /// Says whether the server process runs.
    pub fn is_running(&self) -> bool {
        !self.lock().has_stopped()
    }

    /// The process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().pid()
    }

    /// Kills one server process with SIGKILL: PostgreSQL ends all others and recovers.
    pub fn kill_backend(&self, pid: i32) {
        signal(pid.unsigned_abs(), Signal::KILL);
    }

    /// Ends one server connection as an administrator would (57P01).
    pub fn terminate_backend(&self, pid: i32) {
        signal(pid.unsigned_abs(), Signal::TERM);
    }

    /// Holds a server process where it is, as a dead disk does, until [`Postgres::thaw`].
    pub fn freeze(&self, pid: i32) {
        signal(pid.unsigned_abs(), Signal::STOP);
    }

    /// Lets a held process go on.
    pub fn thaw(&self, pid: i32) {
        signal(pid.unsigned_abs(), Signal::CONT);
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.lock().log()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Server> {
        // A panic elsewhere must not keep the server from being stopped.
        self.server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.lock().kill();
        self.guard.dismiss();
    }
}
