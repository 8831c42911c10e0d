//! Runs the suites of the real drivers in `tests/drivers`. What they test is theirs.

use std::ffi::OsString;
use std::process::Command;

use xtask::failure::Failure;
use xtask::{repository, shell};

/// Runs all driver suites, or what `options` of `tests/drivers/run` choose, against a gateway built
/// now. Returns the last line that they print, which sums up.
pub(crate) fn run(options: &[OsString]) -> Result<String, Failure> {
    shell::run(repository::cargo().args(["build", "--package", "pgmoor-cli"]))?;
    let binary = repository::target_dir().join("debug/pgmoor");
    let mut last = String::new();
    let ended = shell::run_watched(
        Command::new(repository::root().join("tests/drivers/run"))
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
        Err(_) => Err(Failure::new("driver suites failed").because(last)),
    }
}
