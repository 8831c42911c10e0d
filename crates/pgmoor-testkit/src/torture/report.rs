//! What a run has shown, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::acts::ACTS;
use super::client::{Client, PoolMode};
use super::ledger::{Differences, Outcome};
use super::witness::{Figures, Witness};

/// The outcome of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What made the choices of the clients.
    pub seed: u64,
    /// The mode of the pool.
    pub mode: PoolMode,
    /// What befell them.
    pub fault: String,
    /// How long clients worked.
    pub time: Duration,
    /// What was counted while they worked.
    pub figures: Figures,
    /// How often each act was done.
    pub acts: BTreeMap<&'static str, u64>,
    /// Commits that were acknowledged.
    pub committed: u64,
    /// Rows that were rolled back, refused, or never asked to be committed.
    pub undone: u64,
    /// Commits without an answer, and how many of their rows are there.
    pub unknown: (u64, u64),
    /// Acknowledged and not there.
    pub lost: u64,
    /// Undone and there.
    pub ghosts: u64,
    /// There more than once.
    pub twice: u64,
    /// How often the fault struck.
    pub blows: u64,
    /// From the moment when the server could serve again to the first client that was served.
    pub recoveries: Vec<Duration>,
    /// How long that may take.
    pub recovery_limit: Option<Duration>,
    /// Sessions that ended, by their last word.
    pub ended: BTreeMap<String, u64>,
    /// What was not as it must be around it: the fault, the gateway's process, the server.
    pub broken: u64,
    /// The first failures in full.
    pub details: Vec<String>,
}

impl Report {
    /// Rows that are not as the ledger says.
    pub fn ledger(&self) -> u64 {
        self.lost + self.ghosts + self.twice
    }

    /// Nothing was wrong, lost, leaked or left without an answer, and all ends are explained.
    pub fn is_good(&self) -> bool {
        let figures = &self.figures;
        let failures = [
            figures.wrong,
            figures.leaked,
            figures.hung,
            figures.unexcused,
            self.ledger(),
            self.broken,
        ];
        failures.iter().sum::<u64>() == 0
    }

    /// Whether clients were served soon enough, each time.
    pub fn is_quick(&self) -> bool {
        match (self.slowest_recovery(), self.recovery_limit) {
            (Some(slowest), Some(limit)) => slowest < limit,
            _ => true,
        }
    }

    /// The longest recovery.
    pub fn slowest_recovery(&self) -> Option<Duration> {
        self.recoveries.iter().max().copied()
    }

    /// All of it, for programs.
    pub fn json(&self) -> Value {
        let figures = &self.figures;
        let millis = |time: &Duration| time.as_secs_f64() * 1000.0;
        json!({
            "seed": self.seed,
            "mode": self.mode.name(),
            "fault": self.fault,
            "seconds": self.time.as_secs_f64(),
            "good": self.is_good(),
            "quick": self.is_quick(),
            "acts": figures.acts,
            "acts_by_kind": self.acts,
            "sessions": figures.sessions,
            "committed": self.committed,
            "undone": self.undone,
            "unknown": { "asked": self.unknown.0, "there": self.unknown.1 },
            "wrong": figures.wrong,
            "lost": self.lost,
            "ghosts": self.ghosts,
            "twice": self.twice,
            "leaked": figures.leaked,
            "hung": figures.hung,
            "unexcused": figures.unexcused,
            "broken": self.broken,
            "blows": self.blows,
            "recovery_ms": self.recoveries.iter().map(millis).collect::<Vec<_>>(),
            "ended": self.ended,
            "details": self.details,
        })
    }

    /// The head of a table whose lines are [`Report::line`].
    pub fn header() -> String {
        row([
            &"seed",
            &"mode",
            &"fault",
            &"acts",
            &"sessions",
            &"commits",
            &"unkn.",
            &"wrong",
            &"ledger",
            &"leaked",
            &"hung",
            &"other",
            &"recovery",
            &"ended",
        ])
    }

    /// The figures in one line.
    pub fn line(&self) -> String {
        let figures = &self.figures;
        let recovery = match self.slowest_recovery() {
            Some(time) => format!("{} ms", time.as_millis()),
            None => "-".into(),
        };
        let ended = self.ended.iter();
        let ended: Vec<_> = ended
            .map(|(code, count)| format!("{code}×{count}"))
            .collect();
        row([
            &self.seed,
            &self.mode.name(),
            &self.fault,
            &figures.acts,
            &figures.sessions,
            &self.committed,
            &self.unknown.0,
            &figures.wrong,
            &self.ledger(),
            &figures.leaked,
            &figures.hung,
            &(figures.unexcused + self.broken),
            &recovery,
            &ended.join(" "),
        ])
    }

    /// Puts together what clients and witness have seen.
    pub(super) fn of(run: RunOf<'_>) -> Report {
        let RunOf {
            witness, clients, ..
        } = run;
        let mut acts = BTreeMap::new();
        for (number, (name, _)) in ACTS.iter().enumerate() {
            let done = clients.iter().filter_map(|client| client.done.get(number));
            acts.insert(*name, done.sum());
        }
        let count = |outcome| clients.iter().map(|c| c.ledger.count(outcome)).sum::<u64>();
        let differences = run.differences;
        Report {
            seed: run.seed,
            mode: run.mode,
            fault: run.fault,
            time: run.time,
            figures: witness.figures(),
            acts,
            committed: count(Outcome::Committed),
            undone: count(Outcome::Undone),
            unknown: (count(Outcome::Unknown), differences.unknown_there),
            lost: differences.lost.len() as u64,
            ghosts: differences.ghosts.len() as u64,
            twice: differences.twice.len() as u64,
            blows: run.blows,
            recoveries: witness.recoveries(),
            recovery_limit: run.recovery_limit,
            ended: witness.ended(),
            broken: run.broken,
            details: witness.details(),
        }
    }
}

/// One line of the table.
fn row(columns: [&dyn fmt::Display; 14]) -> String {
    let [seed, mode, fault, numbers @ .., ended] = columns;
    let widths = [8, 8, 8, 6, 6, 6, 6, 6, 6, 9];
    let mut line = format!("{seed:<5} {mode:<12} {fault:<15}");
    for (number, width) in numbers.iter().zip(widths) {
        line += &format!(" {number:>width$}");
    }
    format!("{line}  {ended}")
}

/// What a report is made of.
pub(super) struct RunOf<'a> {
    pub(super) seed: u64,
    pub(super) mode: PoolMode,
    pub(super) fault: String,
    pub(super) time: Duration,
    pub(super) witness: &'a Witness,
    pub(super) clients: &'a [Client],
    pub(super) differences: Differences,
    pub(super) blows: u64,
    pub(super) recovery_limit: Option<Duration>,
    pub(super) broken: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", Report::header(), self.line())?;
        self.details
            .iter()
            .try_for_each(|detail| writeln!(f, "  {detail}"))
    }
}
