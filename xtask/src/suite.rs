//! The whole suite: checks, reference pages, every test of the workspace, some
//! fuzzing, the chart, the real drivers.

use std::process::Command;

use crate::drivers::{self, CHART, DRIVERS};
use crate::stages::Stages;
use crate::{check, docs, fuzz};
use xtask::failure::Failure;
use xtask::{repository, shell};

/// For each target.
const FUZZ_SECONDS: u64 = 8;

/// The versions that what depends on the version is tested with.
const MAJORS: [&str; 4] = ["12", "15", "17", "18"];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the suites of the real drivers
    #[arg(long)]
    no_drivers: bool,
    /// Leave out the Helm chart and what else is not Rust
    #[arg(long)]
    no_chart: bool,
    /// Leave out the fuzzing
    #[arg(long)]
    no_fuzz: bool,
    /// Leave out formatting, lints and documentation
    #[arg(long)]
    no_check: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut stages = Stages::default();
    if !options.no_check {
        check::run_stages(&mut stages);
        stages.run("reference pages", || {
            docs::run(true).map(|()| String::new())
        });
    }
    stages.run("tests", cargo_test);
    if !options.no_fuzz {
        stages.run("fuzz", || fuzz::run_briefly(FUZZ_SECONDS));
    }
    if !options.no_chart {
        stages.run("chart", || drivers::run(CHART, &[]));
    }
    if !options.no_drivers {
        stages.run("drivers", || drivers::run(DRIVERS, &[]));
    }
    stages.close("test")
}

fn cargo_test() -> Result<String, Failure> {
    let mut fetch = Command::new(repository::root().join("tests/fetch-postgres"));
    shell::run(fetch.args(MAJORS))?;
    let mut fetch = Command::new(repository::root().join("tests/fetch-clients"));
    let clients = shell::capture(&mut fetch)?;
    let mut counts = Counts::default();
    let end = shell::run_watched(
        repository::cargo()
            .args(["test", "--workspace", "--no-fail-fast"])
            // The one adapter that the tests do not build by themselves.
            .args(["--features", "pgmoor/sqlx"])
            .env("PGMOOR_TEST_CLIENTS", clients.trim())
            .env("PGMOOR_TEST_MAJORS", MAJORS.join(",")),
        |line| counts.see(line),
    );
    counts.describe(end)
}

/// What the lines `test result: …` of many test programs add up to.
#[derive(Default, Debug, PartialEq)]
struct Counts {
    programs: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
    failures: Vec<String>,
}

impl Counts {
    fn see(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.programs += 1;
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
        } else if let Some(name) = failed_test(line) {
            self.failures.push(name.to_owned());
        }
    }

    fn describe(&self, end: Result<(), Failure>) -> Result<String, Failure> {
        let summary = format!(
            "{} passed, {} failed, {} ignored in {} test programs",
            self.passed, self.failed, self.ignored, self.programs
        );
        match end {
            Ok(()) => Ok(summary),
            Err(failure) if self.failures.is_empty() => Err(failure),
            Err(_) => Err(Failure::new(summary).because(self.failures.join(", "))),
        }
    }
}

fn count(result: &str, what: &str) -> u32 {
    result
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(what))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_many_test_programs_add_up() {
        let mut counts = Counts::default();

        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test pool::a_fact ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            counts.see(line);
        }

        let expected = Counts {
            programs: 2,
            passed: 15,
            failed: 1,
            ignored: 1,
            failures: vec!["pool::a_fact".into()],
        };
        assert_eq!(counts, expected);
    }
}
