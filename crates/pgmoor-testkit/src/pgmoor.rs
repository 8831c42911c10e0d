//! The product's own binary as a process of the test.

mod child;
mod http;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::frontend;
use crate::host::{free_port, private_dir, write_private};
use crate::process::{Signal, signal};
use crate::raw_client::RawClient;
use crate::stream::Address;
use child::{Launch, Process, lock};

pub use child::Replaced;
pub use http::HttpAnswer;

/// How long a start may take; it includes `initdb` of a bundled server on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// What `pgmoor` shall be started with.
pub struct PgmoorBuilder {
    binary: PathBuf,
    config: String,
    gateway: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log_file: Option<PathBuf>,
    under: Vec<String>,
}

impl PgmoorBuilder {
    /// Adds to the configuration file: everything but the section `gateway`.
    pub fn config(mut self, yaml: &str) -> Self {
        self.config.push_str(yaml.trim_end());
        self.config.push('\n');
        self
    }

    /// Adds lines to the section `gateway`, which has `listen`, `unix_sockets`, `admin` and
    /// `state_dir` already. They are indented here.
    pub fn gateway(mut self, yaml: &str) -> Self {
        for line in yaml.lines().filter(|line| !line.trim().is_empty()) {
            self.gateway.push_str(&format!("  {line}\n"));
        }
        self
    }

    /// Adds an argument behind `up --config FILE`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Prints into this file, such as `/dev/full`, and not into the one that [`Pgmoor::log`] reads.
    pub fn log_to(mut self, file: &Path) -> Self {
        self.log_file = Some(file.to_owned());
        self
    }

    /// Starts it by another program that becomes it: `["prlimit", "--nofile=64:64"]`, for instance.
    pub fn under(mut self, program: &[&str]) -> Self {
        self.under = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Sets an environment variable; of the test's own it sees only `PATH` and `HOME`.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets its clock by libfaketime: ahead of ours by so many seconds, or behind. The steady clock is left alone, as
    /// by somebody who sets a real one. `None` where there is no libfaketime.
    pub fn clock_ahead(self, seconds: i64) -> Option<Self> {
        let library = crate::host::faketime()?;
        let this = self.env("LD_PRELOAD", &library.display().to_string());
        let this = this.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Some(this.env("FAKETIME", &format!("{seconds:+}s")))
    }

    /// Starts it and waits until `/readiness` says yes.
    ///
    /// # Panics
    ///
    /// When it ends or is not ready in time; the message has its log.
    pub async fn start(self) -> Pgmoor {
        match self.try_start().await {
            Ok(pgmoor) => pgmoor,
            Err(exit) => panic!("pgmoor ended with {}:\n{}", exit.status, exit.output),
        }
    }

    /// Starts it and waits until `/readiness` says yes, or it has ended.
    pub async fn try_start(self) -> Result<Pgmoor, Exit> {
        let pgmoor = self.launch();
        let end = Instant::now() + START_DEADLINE;
        loop {
            if pgmoor.is_ready().await {
                return Ok(pgmoor);
            }
            if let Some(status) = pgmoor.has_exited() {
                let output = pgmoor.log();
                return Err(Exit { status, output });
            }
            assert!(
                Instant::now() < end,
                "pgmoor is not ready in {START_DEADLINE:?}:\n{}",
                pgmoor.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it without waiting for anything.
    pub fn launch(self) -> Pgmoor {
        self.prepare(&["up"]).launched()
    }

    /// Runs another command with the same configuration and environment, to its end.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub async fn run(self, command: &[&str]) -> Output {
        let Prepared { launch, dir, .. } = self.prepare(command);
        let mut program = tokio::process::Command::from(launch.command(&[]));
        program.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(START_DEADLINE, program.output()).await;
        drop(dir);
        let ended = ended.unwrap_or_else(|_| panic!("{command:?} did not end"));
        ended.expect("the program can be run")
    }

    fn prepare(self, command: &[&str]) -> Prepared {
        let dir = private_dir("gate");
        let (port, admin_port) = (free_port(), free_port());
        let at = dir.path().display();
        let config = format!(
            "{}gateway:\n  listen: [\"127.0.0.1:{port}\"]\n  admin: \"127.0.0.1:{admin_port}\"\n  \
             unix_sockets: [\"{at}\"]\n  state_dir: \"{at}/state\"\n{}",
            self.config, self.gateway
        );
        let config_path = dir.path().join("pgmoor.yaml");
        write_private(&config_path, config);
        let mut arguments: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(["--config".to_owned(), config_path.display().to_string()]);
        arguments.extend(self.arguments);
        let launch = Launch {
            binary: self.binary,
            arguments,
            environment: self.environment,
            log_file: self.log_file.unwrap_or(dir.path().join("pgmoor.log")),
            under: self.under,
            dir: dir.path().to_owned(),
        };
        Prepared {
            launch,
            port,
            admin_port,
            config_path,
            dir,
        }
    }
}

/// All that a process needs but the process.
struct Prepared {
    launch: Launch,
    port: u16,
    admin_port: u16,
    config_path: PathBuf,
    dir: TempDir,
}

impl Prepared {
    fn launched(self) -> Pgmoor {
        Pgmoor {
            process: Mutex::new(self.launch.spawn(&[])),
            launch: self.launch,
            port: self.port,
            admin_port: self.admin_port,
            config_path: self.config_path,
            dir: self.dir,
        }
    }
}

/// How a `pgmoor` that would not start has ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it has printed, both streams.
    pub output: String,
}

/// A running `pgmoor up` with its own directory and free ports; it is stopped when this is dropped.
pub struct Pgmoor {
    process: Mutex<Process>,
    launch: Launch,
    port: u16,
    admin_port: u16,
    config_path: PathBuf,
    dir: TempDir,
}

impl Pgmoor {
    /// Starts to describe a process of this binary: `env!("CARGO_BIN_EXE_pgmoor")`, for instance.
    pub fn builder(binary: impl AsRef<Path>) -> PgmoorBuilder {
        PgmoorBuilder {
            binary: binary.as_ref().to_owned(),
            config: String::new(),
            gateway: String::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log_file: None,
            under: Vec::new(),
        }
    }

    /// The port that clients connect to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the admin listener, on 127.0.0.1.
    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    /// Where clients connect to.
    pub fn address(&self) -> Address {
        Address::local(self.port)
    }

    /// Where clients connect to by Unix socket.
    pub fn socket(&self) -> Address {
        Address::socket(self.dir.path(), self.port)
    }

    /// Its directory; the Unix socket is there, too.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The configuration file, for tests of reload.
    pub fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// An address over TCP; the three words go in as they are.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        let port = self.port;
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The password that was generated for user `app`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn generated_password(&self) -> String {
        let path = self.state_dir().join("app.password");
        let password = fs::read_to_string(&path).expect("read the generated password");
        password.trim_end().to_owned()
    }

    /// Everything it has printed, both streams.
    pub fn log(&self) -> String {
        let log = fs::read(self.dir.path().join("pgmoor.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// How many reloads have ended so: `success` or `failure`.
    ///
    /// # Panics
    ///
    /// When the admin listener does not say.
    pub async fn reloads(&self, result: &str) -> u64 {
        let page = self.http("/metrics").await.expect("metrics").body;
        let name = format!("pgmoor_config_reloads_total{{result=\"{result}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        let count = line.and_then(|value| value.parse().ok());
        count.unwrap_or_else(|| panic!("no {name} in\n{page}"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.lock().child.id()
    }

    /// Asks the admin listener with GET; none when it does not answer.
    pub async fn http(&self, path: &str) -> Option<HttpAnswer> {
        let asked = tokio::time::timeout(Duration::from_secs(10), http::get(self.admin_port, path));
        asked.await.ok()?
    }

    /// Sends it a signal, such as [`Signal::HUP`] to reload.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Kills it without a warning and waits for the end.
    pub async fn kill9(&self) {
        self.signal(Signal::KILL);
        self.exited().await;
    }

    /// Asks it to stop (SIGTERM), waits for the end and returns its status.
    pub async fn terminate(&self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.exited().await
    }

    /// How it has ended, if it has.
    pub fn has_exited(&self) -> Option<ExitStatus> {
        self.lock().has_exited()
    }

    /// Waits for the end.
    pub async fn exited(&self) -> ExitStatus {
        let deadline = Duration::from_secs(60);
        let look = async || self.has_exited();
        crate::wait_for_some("pgmoor to end", deadline, look).await
    }

    /// Starts it again, after it has ended, with the same ports and files, and waits until ready.
    pub async fn start_again(&self) {
        self.exited().await;
        *self.lock() = self.launch.spawn(&[]);
        self.wait_ready().await;
    }

    /// Puts a process that was started with `--takeover` in the place of this one, and returns as
    /// soon as it has taken over.
    ///
    /// # Errors
    ///
    /// The log, when it ends before that.
    ///
    /// # Panics
    ///
    /// When it does neither in time.
    pub async fn take_over(&self) -> Result<Replaced, String> {
        let successions = || {
            self.log()
                .matches("took over from the running pgmoor")
                .count()
        };
        let before = successions();
        let successor = Mutex::new(self.launch.spawn(&["--takeover"]));
        crate::wait_for(
            "a successor to take over or end",
            START_DEADLINE,
            async || successions() > before || lock(&successor).has_exited().is_some(),
        )
        .await;
        if successions() == before {
            return Err(format!("the successor has ended:\n{}", self.log()));
        }
        let mut successor = successor
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *self.lock(), &mut successor);
        Ok(Replaced(Mutex::new(successor)))
    }

    /// Waits until `/readiness` says yes.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    pub async fn wait_ready(&self) {
        crate::wait_for("pgmoor to be ready", START_DEADLINE, async || {
            if let Some(status) = self.has_exited() {
                panic!("pgmoor ended with {status}:\n{}", self.log());
            }
            self.is_ready().await
        })
        .await;
    }

    /// Whether `/readiness` says yes or, where no admin listener is, a client gets an answer.
    async fn is_ready(&self) -> bool {
        match self.http("/readiness").await {
            Some(answer) => answer.status == 200,
            None => {
                let admin = ("127.0.0.1", self.admin_port);
                let is_silent = async || TcpStream::connect(admin).await.is_err();
                // Asked again: clients are answered as soon as it serves, which may be after it was
                // found silent because it had not begun.
                is_silent().await && answers_clients(self.port).await && is_silent().await
            }
        }
    }

    /// Memory it holds, in KiB (Linux).
    pub fn memory_kib(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel tells the memory")
    }

    /// Processor time it has used so far (Linux).
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc_file("stat");
        let (_, behind) = stat.rsplit_once(')').expect("name is in parentheses");
        let ticks: u64 = behind
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("ticks are a number"))
            .sum();
        let per_second = rustix::param::clock_ticks_per_second();
        Duration::from_secs_f64(ticks as f64 / per_second as f64)
    }

    /// How many files and sockets it has open (Linux).
    pub fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        files.expect("read the open files").count()
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid())).expect("read from /proc")
    }

    fn lock(&self) -> MutexGuard<'_, Process> {
        lock(&self.process)
    }
}

/// Whether an SSLRequest is answered, be it by a refusal. An open port alone says little: it is
/// opened before anything else is ready.
async fn answers_clients(port: u16) -> bool {
    let ask = async {
        let mut client = RawClient::try_connect(Address::local(port)).await?;
        client.try_send(&frontend::ssl_request()).await?;
        client.try_byte().await
    };
    matches!(ask.await, Ok(Some(_)))
}
