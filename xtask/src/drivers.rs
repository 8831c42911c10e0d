//! Runs the programs that put real drivers, and other people's test suites, before a gateway, and the
//! one that tests the chart. What they test is theirs.

use std::ffi::OsString;
use std::process::Command;

use xtask::failure::Failure;
use xtask::{repository, shell};

/// Our own suites of real drivers.
pub(crate) const DRIVERS: &str = "tests/drivers/run";
/// Test suites of PostgreSQL and its drivers.
pub(crate) const SUITES: &str = "tests/suites/run";
/// The Helm chart, the image's parts, Compose and systemd.
pub(crate) const CHART: &str = "tests/chart/run";

/// Runs one of them, or what `options` of it choose, against a gateway built now. Returns the last
/// line that it prints, which sums up.
pub(crate) fn run(program: &str, options: &[OsString]) -> Result<String, Failure> {
    shell::run(repository::cargo().args(["build", "--package", "pgmoor-cli"]))?;
    let binary = repository::target_dir().join("debug/pgmoor");
    let mut last = String::new();
    let ended = shell::run_watched(
        Command::new(repository::root().join(program))
            .current_dir(repository::root())
            .args(options)
            .env("PGMOOR", binary),
        |line| {
            if !line.trim().is_empty() {
                last = line.trim().to_owned();
            }
        },
    );
    match ended {
        Ok(()) => Ok(last),
        Err(failure) if last.is_empty() => Err(failure),
        Err(_) => Err(Failure::new(format!("{program} failed")).because(last)),
    }
}
