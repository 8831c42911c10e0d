//! A private place for one server, processes to kill, and waiting for conditions.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pgmoor::bundled::{
    Bundled, BundledAddress, BundledError, BundledSettings, KeeperCommand, Lease, ServerState,
    keeper,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio_postgres::{Client, NoTls};

const PATIENCE: Duration = Duration::from_secs(60);
const OWNER: &str = "PGMOOR_TEST_OWNER";

/// The hidden command, as this test program has it.
#[test]
#[ignore = "runs as the keeper process of other tests"]
fn keeper_process() {
    let _ = keeper::main();
}

/// A gateway to kill: holds a lease until then.
#[test]
#[ignore = "runs as a process of other tests"]
fn owner_process() {
    let Some(root) = std::env::var_os(OWNER) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = Place::at(Path::new(&root));
        let lease = place
            .bundled()
            .start(|step| println!("step: {step}"))
            .await
            .unwrap();
        println!("holds {}", lease.keeper_pid());
        std::future::pending::<()>().await;
    });
}

fn this_test(name: &str) -> Vec<String> {
    [name, "--exact", "--ignored", "--nocapture"]
        .map(str::to_owned)
        .to_vec()
}

/// Directories of one server, removed at the end.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) settings: BundledSettings,
    dir: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pgm")
            .tempdir_in("/tmp")
            .unwrap();
        // When root runs the tests, the server's user must be able to come in.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut place = Self::at(&root);
        place.dir = Some(dir);
        place
    }

    fn at(root: &Path) -> Self {
        let program = KeeperCommand::this_program().unwrap().program;
        let keeper = KeeperCommand {
            program,
            args: this_test("support::keeper_process"),
        };
        let state = root.join("state");
        let mut settings = BundledSettings::new(state.join("data"), state, keeper);
        settings.linger = Duration::from_millis(300);
        Self {
            root: root.to_owned(),
            settings,
            dir: None,
        }
    }

    pub(crate) fn bundled(&self) -> Bundled {
        Bundled::new(self.settings.clone())
    }

    pub(crate) async fn start(&self) -> Lease {
        let started = self.bundled().start(|_| {}).await;
        started.unwrap_or_else(|error| panic!("{error}\nhint: {}", error.hint()))
    }

    pub(crate) async fn refused(&self) -> BundledError {
        self.bundled()
            .start(|_| {})
            .await
            .expect_err("the start is refused")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.settings.data_dir
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.settings.state_dir.join("data.run")
    }

    /// Clusters in the making.
    pub(crate) fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.settings.state_dir).unwrap().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.to_string_lossy().contains("data.initializing-"));
        paths
    }

    /// Starts another process that holds a lease; `until` is a line that it prints.
    pub(crate) fn owner(&self, until: &str) -> Owner {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(this_test("support::owner_process"))
            .env(OWNER, &self.root)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let owner = Owner(child);
        assert!(
            lines.map_while(Result::ok).any(|line| line.contains(until)),
            "no \"{until}\""
        );
        owner
    }
}

/// The directory goes when the keeper has gone, which writes into it until then.
impl Drop for Place {
    fn drop(&mut self) {
        let Ok(lock) = fs::File::open(self.run_dir().join("keeper.lock")) else {
            return;
        };
        let (tell, gone) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(lock.lock()));
        // Whether it came or not, the test has said what it had to say.
        let _ = gone.recv_timeout(Duration::from_secs(10));
    }
}

/// A process that holds a lease.
pub(crate) struct Owner(Child);

impl Owner {
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A connection as the application.
pub(crate) async fn login(address: &BundledAddress) -> Client {
    login_as(address, &address.role, Some(address.password.expose()))
        .await
        .unwrap()
}

pub(crate) async fn login_as(
    address: &BundledAddress,
    user: &str,
    password: Option<&str>,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(&address.socket_dir)
        .port(address.port)
        .user(user)
        .dbname(&address.database);
    if let Some(password) = password {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn ask(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

pub(crate) fn server_pid(lease: &Lease) -> u32 {
    match lease.state() {
        ServerState::Ready { pid } => pid,
        other => panic!("not ready: {other:?}"),
    }
}

/// Waits until the server is ready with another process than `before`.
pub(crate) async fn ready_again(lease: &Lease, before: u32) {
    let mut watch = lease.watch();
    let again =
        watch.wait_for(|state| matches!(state, ServerState::Ready { pid } if *pid != before));
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("ready again in time")
        .unwrap();
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).unwrap()
}

pub(crate) fn signal(number: u32, signal: Signal) {
    kill_process(pid(number), signal).unwrap();
}

pub(crate) fn is_alive(number: u32) -> bool {
    if test_kill_process(pid(number)).is_err() {
        return false;
    }
    // A killed process that its parent has not looked at yet is dead all the same.
    let stat = fs::read_to_string(format!("/proc/{number}/stat"));
    !stat.is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    pgmoor_testkit::wait_for(what, PATIENCE, async || condition()).await;
}

/// Who the server's programs run as in these tests.
pub(crate) fn server_user(place: &Place) -> (u32, u32) {
    let meta = fs::metadata(place.data()).unwrap();
    (meta.uid(), meta.gid())
}

/// A server that nobody keeps, as one whose keeper was killed on a system that does not tell it.
pub(crate) async fn orphan(place: &Place, bin_dir: &Path) -> Child {
    let (uid, gid) = server_user(place);
    let mut command = Command::new(bin_dir.join("postgres"));
    command
        .arg("-D")
        .arg(place.data())
        .args(["-c", "listen_addresses="]);
    command.arg("-c").arg(format!(
        "unix_socket_directories={}",
        place.run_dir().display()
    ));
    if rustix::process::geteuid().is_root() {
        command.uid(uid).gid(gid);
    }
    let child = command
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let file = place.data().join("postmaster.pid");
    wait_for("the orphan is ready", || {
        fs::read_to_string(&file).is_ok_and(|t| t.contains("ready"))
    })
    .await;
    child
}
