//! Runs `pgbench` and reads what it prints.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::host::{private_dir, write_private};
use crate::postgres::client_program;

/// The protocol that `pgbench` uses for its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryMode {
    /// Query messages.
    Simple,
    /// Parse, Bind and Execute each time.
    Extended,
    /// Parse once, then Bind and Execute.
    Prepared,
}

/// A run of `pgbench` about to be started; one client for one second until said otherwise.
#[derive(Clone)]
pub struct Pgbench {
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    clients: u32,
    threads: u32,
    length: Vec<String>,
    script: Option<String>,
}

impl Pgbench {
    /// Against a host, or the directory of a Unix socket. The password is not in the arguments.
    pub fn at(host: &str, port: u16, user: &str, password: &str, database: &str) -> Pgbench {
        let port = port.to_string();
        let environment = [
            ("PGHOST", host),
            ("PGPORT", &port),
            ("PGUSER", user),
            ("PGPASSWORD", password),
            ("PGDATABASE", database),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Pgbench {
            environment: environment.map(owned).to_vec(),
            arguments: Vec::new(),
            clients: 1,
            threads: 1,
            length: vec!["--time=1".to_owned()],
            script: None,
        }
    }

    /// Sets an environment variable, such as `PGSSLMODE`.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many connections.
    pub fn clients(mut self, clients: u32) -> Self {
        self.clients = clients;
        self
    }

    /// How many threads serve them; as many as clients when a pool has fewer server connections.
    ///
    /// In [`QueryMode::Prepared`] `pgbench` waits for each Parse with its whole thread: a client that
    /// waits for a server connection would keep those that hold them from giving them back.
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Runs for this long.
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.length = vec![format!("--time={seconds}")];
        self
    }

    /// Runs this many transactions per client.
    pub fn transactions(mut self, transactions: u32) -> Self {
        self.length = vec![format!("--transactions={transactions}")];
        self
    }

    /// The protocol of its queries; simple if not said.
    pub fn mode(self, mode: QueryMode) -> Self {
        self.argument(match mode {
            QueryMode::Simple => "--protocol=simple",
            QueryMode::Extended => "--protocol=extended",
            QueryMode::Prepared => "--protocol=prepared",
        })
    }

    /// Reads one account per transaction instead of TPC-B.
    pub fn select_only(self) -> Self {
        self.argument("--select-only")
    }

    /// Runs this script instead of TPC-B.
    pub fn script(mut self, script: &str) -> Self {
        self.script = Some(script.to_owned());
        self
    }

    /// Makes a new connection for each transaction.
    pub fn connect_each(self) -> Self {
        self.argument("--connect")
    }

    /// Adds any other argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Makes the tables for TPC-B.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub async fn initialize(&self, scale: u32) {
        let output = self
            .command()
            .args(["--initialize", "--quiet"])
            .arg(format!("--scale={scale}"))
            .output()
            .await
            .expect("run pgbench");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pgbench --initialize: {errors}");
    }

    /// Runs it to its end; a run that was aborted has a report, too.
    pub async fn run(&self) -> PgbenchReport {
        self.start().finish().await
    }

    /// Starts it and returns at once.
    pub fn start(&self) -> PgbenchRun {
        let dir = private_dir("bench");
        let mut command = self.command();
        command
            .arg("--no-vacuum")
            .arg(format!("--client={}", self.clients))
            .arg(format!("--jobs={}", self.threads))
            .args(&self.length)
            .args(&self.arguments);
        if let Some(script) = &self.script {
            let path = dir.path().join("script.sql");
            write_private(&path, script);
            command.arg("--file").arg(path);
        }
        let child = command.spawn().expect("start pgbench");
        PgbenchRun { child, _dir: dir }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(client_program("pgbench"));
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(Path::new("/"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A `pgbench` that runs; it is killed when this is dropped.
pub struct PgbenchRun {
    child: Child,
    _dir: TempDir,
}

impl PgbenchRun {
    /// Waits for its end.
    pub async fn finish(self) -> PgbenchReport {
        let output = self.child.wait_with_output().await.expect("run pgbench");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        PgbenchReport::parse(output.status, text)
    }

    /// Waits for its end, but no longer than this: a client that hangs is what it finds.
    ///
    /// # Panics
    ///
    /// When it has not ended by then.
    pub async fn finish_within(self, deadline: Duration) -> PgbenchReport {
        match tokio::time::timeout(deadline, self.finish()).await {
            Ok(report) => report,
            Err(_) => panic!("pgbench still runs after {deadline:?}"),
        }
    }
}

/// What a run of `pgbench` has found.
#[derive(Clone, Debug)]
pub struct PgbenchReport {
    /// 0, or 2 when clients were aborted.
    pub status: ExitStatus,
    /// Transactions that succeeded.
    pub transactions: u64,
    /// Transactions that failed and did not abort their client.
    pub failed: u64,
    /// Clients that gave up.
    pub aborted_clients: u64,
    /// Transactions per second, without the time to connect.
    pub tps: f64,
    /// Mean time of a transaction in milliseconds.
    pub latency_ms: f64,
    /// Everything it has printed.
    pub output: String,
}

impl PgbenchReport {
    fn parse(status: ExitStatus, output: String) -> PgbenchReport {
        PgbenchReport {
            status,
            transactions: number_behind(&output, "actually processed:") as u64,
            failed: number_behind(&output, "number of failed transactions:") as u64,
            aborted_clients: output.matches(" aborted in command ").count() as u64,
            tps: number_behind(&output, "tps ="),
            latency_ms: number_behind(&output, "latency average ="),
            output,
        }
    }

    /// Every client finished and no transaction failed.
    pub fn is_clean(&self) -> bool {
        self.status.success() && self.failed == 0 && self.aborted_clients == 0
    }
}

/// Zero when the label is not there, as in the report of an aborted run.
fn number_behind(output: &str, label: &str) -> f64 {
    let behind = output.split_once(label).map_or("", |(_, behind)| behind);
    let digits: String = behind
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    digits.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_version_15_is_read() {
        let output = "number of transactions actually processed: 200/200\n\
                      number of failed transactions: 3 (1.500%)\n\
                      latency average = 0.345 ms\n\
                      initial connection time = 5.0 ms\n\
                      tps = 2894.3 (without initial connection time)\n";

        let report = PgbenchReport::parse(ExitStatus::default(), output.to_owned());

        assert_eq!((report.transactions, report.failed), (200, 3));
        assert_eq!((report.tps, report.latency_ms), (2894.3, 0.345));
        assert!(!report.is_clean());
    }
}
