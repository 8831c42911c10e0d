//! Measures one row with every subject in turns, so that what the machine does meanwhile falls on
//! all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use xtask::failure::Failure;

use super::pgbench::{self, Run};
use super::rows::{Row, Work};
use super::{idle, own};
use crate::figures::percentile;
use crate::gates::{self, Gate, Programs, Subject};
use crate::procfs;
use crate::world::World;

/// What holds for every row.
pub(crate) struct Plan<'a> {
    pub(crate) subjects: &'a [Subject],
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) programs: &'a Programs,
}

/// Memory varies little from one process to the next, and ten thousand logins take their time.
pub(crate) const IDLE_ROUNDS: u32 = 3;

/// What one measurement of one subject gave.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Transactions a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_us: Option<f64>,
    /// The gate's CPU, in ms for 1,000 transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms: Option<f64>,
    /// The gate's memory for each idle client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kib: Option<f64>,
}

/// All samples of a row.
pub(crate) type Samples = BTreeMap<Subject, Vec<Sample>>;

/// What a row gave, and who could not be measured.
pub(crate) struct Outcome {
    pub(crate) samples: Samples,
    pub(crate) failed: Vec<Subject>,
}

/// Measures a row in `plan.rounds` rounds. Who fails once is left out from then on, and does not
/// take the others with it.
pub(crate) fn measure(world: &World, plan: &Plan<'_>, row: &Row) -> Outcome {
    let can_do = |subject: &Subject| can_do(plan.programs, *subject, row);
    let mut subjects: Vec<Subject> = plan.subjects.iter().copied().filter(can_do).collect();
    let mut outcome = Outcome {
        samples: Samples::new(),
        failed: Vec::new(),
    };
    let mut gates = BTreeMap::new();
    if !row.is_idle() {
        subjects.retain(|subject| {
            let gate = Gate::start(world, plan.programs, *subject, row.way);
            let gate = outcome.check(row, *subject, gate);
            gate.is_some_and(|gate| gates.insert(*subject, gate).is_none())
        });
    }

    let rounds = if row.is_idle() {
        plan.rounds.min(IDLE_ROUNDS)
    } else {
        plan.rounds
    };
    for round in 0..rounds as usize {
        for turn in 0..subjects.len() {
            let subject = subjects[(round + turn) % subjects.len()];
            if outcome.failed.contains(&subject) {
                continue;
            }
            let gate = gates.get(&subject).and_then(Option::as_ref);
            let sample = sample(world, plan, row, subject, gate);
            if let Some(sample) = outcome.check(row, subject, sample) {
                let (name, round) = (subject.name(), round + 1);
                anstream::eprintln!("bench: {} {round}/{rounds} {name}: {sample}", row.name);
                outcome.samples.entry(subject).or_default().push(sample);
            }
        }
    }
    outcome
}

impl Outcome {
    /// Says a failure, and remembers whose it was.
    fn check<T>(&mut self, row: &Row, subject: Subject, result: Result<T, Failure>) -> Option<T> {
        result
            .inspect_err(|failure| {
                anstream::eprintln!("bench: {} {}: {failure}", row.name, subject.name());
                self.failed.push(subject);
                self.samples.remove(&subject);
            })
            .ok()
    }
}

fn can_do(programs: &Programs, subject: Subject, row: &Row) -> bool {
    match subject {
        Subject::Direct => row.direct,
        Subject::Pgbouncer => {
            !row.needs_named_statements() || gates::has_named_statements(&programs.pgbouncer)
        }
        Subject::Pgmoor => true,
    }
}

/// Measures once; `gate` is the running one, if this subject and row have one.
fn sample(
    world: &World,
    plan: &Plan<'_>,
    row: &Row,
    subject: Subject,
    gate: Option<&Gate>,
) -> Result<Sample, Failure> {
    let address = match gate {
        Some(gate) => gate.address(row.tls),
        None => gates::direct(world, row.way, row.tls),
    };
    let cpu_so_far = || gate.map(|gate| procfs::cpu_ms(gate.pid())).transpose();
    match &row.work {
        Work::Pgbench {
            protocol,
            script,
            reconnect,
        } => {
            let task = pgbench::Task {
                protocol: *protocol,
                script: *script,
                reconnect: *reconnect,
                clients: row.clients,
                seconds: plan.seconds,
            };
            pgbench::run(&task, &address, world.scratch.path(), cpu_so_far).map(Sample::of)
        }
        Work::Own(statement) => {
            let duration = Duration::from_secs(plan.seconds.into());
            let before = cpu_so_far()?;
            let run = own::run(world, &address, row.clients, *statement, duration)?;
            Ok(Sample::of(run.with_cpu(before, cpu_so_far()?)))
        }
        Work::Idle => wait_idle(world, plan, row, subject),
    }
}

/// Memory is measured in a process that has served nobody else.
fn wait_idle(
    world: &World,
    plan: &Plan<'_>,
    row: &Row,
    subject: Subject,
) -> Result<Sample, Failure> {
    let gate = Gate::start(world, plan.programs, subject, row.way)?;
    let kib = gate
        .map(|gate| idle::kib_per_client(world, &gate, row.clients, row.tls))
        .transpose()?;
    Ok(Sample {
        kib,
        ..Sample::default()
    })
}

impl Sample {
    fn of(mut run: Run) -> Sample {
        Sample {
            tps: Some(run.tps),
            p50_us: percentile(&mut run.times, 50.0).map(|time| time as f64),
            p99_us: percentile(&mut run.times, 99.0).map(|time| time as f64),
            cpu_ms: run.cpu_ms,
            kib: None,
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let figures = [
            (self.tps, " tps"),
            (self.p50_us, " µs p50"),
            (self.p99_us, " µs p99"),
            (self.cpu_ms, " ms CPU per 1,000"),
            (self.kib, " KiB per client"),
        ];
        let words: Vec<String> = figures
            .iter()
            .filter_map(|(value, unit)| value.map(|value| format!("{value:.1}{unit}")))
            .collect();
        f.write_str(&words.join(", "))
    }
}
