//! Runs pgbench and reads what it measured: transactions, and the time of each from its log.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use pgmoor_testkit::client_program;
use xtask::failure::{Context, Failure};

use super::rows::{Protocol, Script};
use crate::address::Address;
use crate::world::SCALE;

/// One run of clients that all do the same.
pub(crate) struct Run {
    pub(crate) transactions: u64,
    pub(crate) tps: f64,
    /// Of each transaction, in µs, in no order.
    pub(crate) times: Vec<u64>,
    /// The gate's CPU, in ms for 1,000 transactions; none for a direct connection.
    pub(crate) cpu_ms: Option<f64>,
}

impl Run {
    /// Counts all CPU time that was used meanwhile.
    pub(crate) fn with_cpu(mut self, before: Option<u64>, after: Option<u64>) -> Run {
        let thousands = self.transactions as f64 / 1000.0;
        self.cpu_ms = after
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before) as f64 / thousands);
        self
    }
}

/// What pgbench shall do.
pub(crate) struct Task {
    pub(crate) protocol: Protocol,
    pub(crate) script: Script,
    pub(crate) reconnect: bool,
    pub(crate) clients: u32,
    pub(crate) seconds: u32,
}

/// Threads of pgbench: the machine has other work to do too.
const THREADS: u32 = 2;

/// Runs pgbench with files in `dir`, which must exist.
///
/// `cpu` tells the CPU time, in ms, that the gate has used so far, if there is one.
pub(crate) fn run(
    task: &Task,
    address: &Address,
    dir: &Path,
    mut cpu: impl FnMut() -> Result<Option<u64>, Failure>,
) -> Result<Run, Failure> {
    let logs =
        tempfile::tempdir_in(dir).context(|| format!("cannot write to \"{}\"", dir.display()))?;
    // A pgbench thread connects its clients one after the other: for cycles, a thread a client.
    let threads = if task.reconnect {
        task.clients
    } else {
        THREADS.min(task.clients)
    };
    let mut command = Command::new(client_program("pgbench"));
    command
        .current_dir(logs.path())
        .args(["--protocol", task.protocol.name()])
        .args(["--client", &task.clients.to_string()])
        .args(["--jobs", &threads.to_string()])
        .args(["--time", &task.seconds.to_string()])
        .args(["--progress", "1"])
        .args(["--log", "--log-prefix", "transactions"]);
    if task.reconnect {
        command.arg("--connect");
    }
    choose_script(&mut command, task.script, logs.path())?;

    let mut child = address
        .tell(&mut command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "cannot start pgbench".into())?;
    let complaints = child.stderr.take().expect("piped");
    let before = cpu()?;
    let (seconds, complaints) = watch(BufReader::new(complaints), &mut cpu)?;
    let output = child
        .wait_with_output()
        .context(|| "cannot wait for pgbench".into())?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let summary = read_summary(&printed).filter(|_| output.status.success());
    let summary = summary.ok_or_else(|| {
        Failure::new(format!("pgbench has no figures: {}", output.status))
            .because(format!("{}{printed}", complaints.join("\n")))
    })?;
    let run = Run {
        transactions: summary.transactions,
        tps: summary.tps,
        times: read_times(logs.path(), task.reconnect)?,
        cpu_ms: None,
    };
    Ok(match cpu_per_thousand(&seconds) {
        Some(cpu_ms) => Run {
            cpu_ms: Some(cpu_ms),
            ..run
        },
        None => run.with_cpu(before, cpu()?),
    })
}

/// What was known at the end of each second.
struct Second {
    at: f64,
    tps: f64,
    cpu_ms: Option<u64>,
}

/// Looks at the gate's CPU time whenever pgbench says how far it is; returns what else it says.
fn watch(
    lines: impl BufRead,
    mut cpu: impl FnMut() -> Result<Option<u64>, Failure>,
) -> Result<(Vec<Second>, Vec<String>), Failure> {
    let mut seconds = Vec::new();
    let mut others = Vec::new();
    for line in lines.lines() {
        let line = line.context(|| "cannot read from pgbench".into())?;
        match read_progress(&line) {
            Some((at, tps)) => seconds.push(Second {
                at,
                tps,
                cpu_ms: cpu()?,
            }),
            None => others.push(line),
        }
    }
    others.drain(..others.len().saturating_sub(5));
    Ok((seconds, others))
}

/// As `progress: 2.0 s, 48448.5 tps, lat 0.6 ms stddev 0.3, 0 failed`.
fn read_progress(line: &str) -> Option<(f64, f64)> {
    let (at, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
    let (tps, _) = rest.split_once(" tps")?;
    Some((at.parse().ok()?, tps.parse().ok()?))
}

/// From the end of the first second to that of the last: without the connecting at the start. None
/// when the run is too short for that.
fn cpu_per_thousand(seconds: &[Second]) -> Option<f64> {
    let (first, last) = (seconds.first()?, seconds.last()?);
    let transactions: f64 = seconds
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at) * pair[1].tps)
        .sum();
    let spent = last.cpu_ms?.checked_sub(first.cpu_ms?)?;
    (transactions > 0.0).then(|| spent as f64 / transactions * 1000.0)
}

fn choose_script(command: &mut Command, script: Script, dir: &Path) -> Result<(), Failure> {
    let own = match script {
        Script::SelectOnly => {
            command.args(["--builtin", "select-only", "--no-vacuum"]);
            return Ok(());
        }
        Script::TpcB => {
            // With the vacuum of its small tables, so that no round inherits the last one's dead rows.
            command.args(["--builtin", "tpcb-like"]);
            return Ok(());
        }
        Script::SelectOne => "select 1;\n".to_owned(),
        Script::ThousandRows => format!(
            "\\set a random(1, 100000 * {SCALE} - 999)\n\
             select * from pgbench_accounts where aid between :a and :a + 999;\n"
        ),
    };
    let path = dir.join("script.sql");
    fs::write(&path, own).context(|| format!("cannot write \"{}\"", path.display()))?;
    command.arg("--no-vacuum").arg("--file").arg(path);
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Summary {
    transactions: u64,
    tps: f64,
}

/// Reads pgbench's closing lines; none when they are not there or a transaction failed.
fn read_summary(printed: &str) -> Option<Summary> {
    let value = |label: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(label))?;
        line.trim().split([' ', '/']).next()
    };
    let failed = value("number of failed transactions:");
    if failed.is_some_and(|failed| failed != "0") {
        return None;
    }
    Some(Summary {
        transactions: value("number of transactions actually processed:")?
            .parse()
            .ok()?,
        tps: value("tps =")?.parse().ok()?,
    })
}

fn read_times(dir: &Path, cycles: bool) -> Result<Vec<u64>, Failure> {
    let list = || format!("cannot list \"{}\"", dir.display());
    let mut times = Vec::new();
    for entry in fs::read_dir(dir).context(list)? {
        let path = entry.context(list)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("transactions.") {
            let log = fs::read_to_string(&path)
                .context(|| format!("cannot read \"{}\"", path.display()))?;
            if cycles {
                add_cycles(&log, &mut times);
            } else {
                times.extend(
                    log.lines()
                        .filter_map(|line| Line::read(line).map(|line| line.took)),
                );
            }
        }
    }
    Ok(times)
}

/// A line of pgbench's log: `client number time script second µs`.
struct Line {
    client: u32,
    took: u64,
    ended: u64,
}

impl Line {
    fn read(line: &str) -> Option<Line> {
        let mut fields = line.split(' ').map(|field| field.parse::<u64>().ok());
        let client = fields.next()?? as u32;
        let took = fields.nth(1)??;
        let (seconds, micros) = (fields.nth(1)??, fields.next()??);
        let ended = seconds * 1_000_000 + micros;
        Some(Line {
            client,
            took,
            ended,
        })
    }
}

/// pgbench's own time leaves the connecting out. From one end to the next, a client has closed,
/// connected, logged in, and asked.
fn add_cycles(log: &str, times: &mut Vec<u64>) {
    let mut last: HashMap<u32, u64> = HashMap::new();
    for line in log.lines().filter_map(Line::read) {
        if let Some(before) = last.insert(line.client, line.ended) {
            times.push(line.ended.saturating_sub(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_and_their_rate_are_read_from_the_closing_lines() {
        let printed = "scaling factor: 16\n\
            number of transactions actually processed: 12345\n\
            number of failed transactions: 0 (0.000%)\n\
            latency average = 0.5 ms\n\
            tps = 2469.500000 (without initial connection time)\n";

        let expected = Summary {
            transactions: 12345,
            tps: 2469.5,
        };
        assert_eq!(read_summary(printed), Some(expected));
    }

    #[test]
    fn cpu_time_counts_from_the_end_of_the_first_second() {
        let log = "pgbench (15.18)\n\
            progress: 1.0 s, 500.0 tps, lat 0.6 ms stddev 0.3, 0 failed\n\
            progress: 2.0 s, 1000.0 tps, lat 0.6 ms stddev 0.3, 0 failed\n\
            progress: 3.0 s, 3000.0 tps, lat 0.6 ms stddev 0.3, 0 failed\n";
        let mut spent = [700, 720, 780].into_iter();

        let (seconds, others) = watch(log.as_bytes(), || Ok(spent.next())).expect("it is text");

        assert_eq!(cpu_per_thousand(&seconds), Some(20.0));
        assert_eq!(others, ["pgbench (15.18)"]);
    }

    #[test]
    fn a_run_with_failed_transactions_has_no_figures() {
        let printed = "number of transactions actually processed: 9\n\
            number of failed transactions: 1 (10.000%)\ntps = 3.0 (x)\n";

        assert_eq!(read_summary(printed), None);
    }

    #[test]
    fn with_a_connection_each_time_the_whole_cycle_counts() {
        let log = "0 1 100 0 10 500\n1 1 100 0 10 600\n0 2 100 0 10 2500\n0 3 90 0 11 1500\n";
        let mut cycles = Vec::new();

        add_cycles(log, &mut cycles);

        assert_eq!(cycles, [2_000, 999_000]);
    }
}
