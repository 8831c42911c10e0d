//! `cargo x bench gateway`: the same work through a direct connection, PgBouncer and pgmoor, in one
//! run, in turns. It measures; it judges only by printing the bars beside the figures.

mod rows;

mod pgbench;
mod own;
mod idle;

mod rounds;

mod machine;
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xtask::failure::{Context, Failure};
use xtask::{host, repository};

use crate::gates::{Programs, Subject};
use crate::world::World;
use machine::Machine;
use report::Report;
use rows::Row;

#[derive(Subcommand)]
pub(crate) enum Benchmark {
    /// The gateway against a direct connection and PgBouncer
    Gateway(Options),
}

#[derive(Args)]
pub(crate) struct Options {
    /// Print the names of all rows, and measure nothing
    #[arg(long)]
    rows: bool,
    /// Measure only rows whose name contains one of these
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Whom to measure
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Subject::ALL)]
    subjects: Vec<Subject>,
    /// How often each row is measured with each subject; the table has the medians
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each measurement takes
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// pgmoor's workers; 0 is one a core
    #[arg(long, default_value_t = 0)]
    workers: u32,
    /// The PgBouncer to compare with
    #[arg(long, value_name = "PATH")]
    pgbouncer: Option<PathBuf>,
    /// The pgmoor to measure
    #[arg(long, value_name = "PATH")]
    pgmoor: Option<PathBuf>,
    /// Also write every figure of every round here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table into docs/benchmarks.md
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn run(benchmark: &Benchmark) -> Result<(), Failure> {
    let Benchmark::Gateway(options) = benchmark;
    let rows = chosen(&options.only)?;
    if options.rows {
        for row in &rows {
            anstream::println!("{:<20} {}", row.name, row.title);
        }
        return Ok(());
    }
    if options.rounds == 0 || options.seconds == 0 {
        return Err(
            Failure::new("cannot measure").because("--rounds and --seconds must be 1 or more")
        );
    }

    let programs = options.programs()?;
    let open_files = raise_open_files()?;
    let machine = Machine::look(&programs, open_files)?;
    anstream::eprintln!("bench: {machine}");
    if machine.load > QUIET {
        let load = machine.load;
        anstream::eprintln!(
            "bench: the machine is busy (load {load}): expect noise, above all in p99"
        );
    }
    let world = World::start()?;
    let plan = rounds::Plan {
        subjects: &options.subjects,
        rounds: options.rounds,
        seconds: options.seconds,
        programs: &programs,
    };
    let mut report = Report::new(machine, options.rounds, options.seconds);
    for row in rows {
        let outcome = rounds::measure(&world, &plan, row);
        report.add(row, outcome);
        if let Some(path) = &options.json {
            report.write_json(path)?;
        }
    }
    anstream::println!("{}", report.text());
    if options.markdown {
        report.write_markdown(&repository::root().join("docs/benchmarks.md"))?;
    }
    report.conclude()
}

impl Options {
    fn programs(&self) -> Result<Programs, Failure> {
        let pgbouncer = self
            .pgbouncer
            .clone()
            .or_else(|| host::find("pgbouncer"))
            .unwrap_or_else(|| "/usr/sbin/pgbouncer".into());
        let ours = repository::target_dir().join("release/pgmoor");
        let programs = Programs {
            pgbouncer,
            pgmoor: self.pgmoor.clone().unwrap_or(ours),
            workers: self.workers,
        };
        for (subject, path) in [
            (Subject::Pgbouncer, &programs.pgbouncer),
            (Subject::Pgmoor, &programs.pgmoor),
        ] {
            if self.subjects.contains(&subject) && !path.is_file() {
                return Err(Failure::new(format!("cannot measure {}", subject.name()))
                    .because(format!("there is no \"{}\"", path.display()))
                    .hint("cargo x setup bench installs PgBouncer; --subjects leaves one out"));
            }
        }
        Ok(programs)
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static Row>, Failure> {
    let rows: Vec<&Row> = rows::ROWS
        .iter()
        .filter(|row| only.is_empty() || only.iter().any(|part| row.name.contains(part.as_str())))
        .collect();
    if rows.is_empty() {
        return Err(Failure::new(format!(
            "no row has \"{}\" in its name",
            only.join("\" or \"")
        ))
        .hint("cargo x bench gateway --rows lists them"));
    }
    Ok(rows)
}

/// The load of a machine that does nothing else.
const QUIET: f64 = 0.5;

/// Lets us, and the gates that we start, have as many connections as the system allows.
fn raise_open_files() -> Result<u64, Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context(|| "cannot raise the limit of open files".into())?;
    Ok(maximum.unwrap_or(u64::MAX))
}
