//! Runs the suites of the real drivers in `tests/drivers`. What they test is theirs.

use std::process::Command;

use xtask::failure::Failure;
use xtask::{repository, shell};

/// Runs all driver suites, or the named ones, against a gateway built now.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    run_watched(names, |_| {})
}

/// As [`run`], and hands each line that the suites print to `see`.
pub(crate) fn run_watched(names: &[String], see: impl FnMut(&str)) -> Result<(), Failure> {
    let dir = repository::root().join("tests/drivers");
    for name in names {
        if !dir.join(name).is_dir() {
            return Err(Failure::new(format!("there is no driver suite \"{name}\""))
                .because(format!(
                    "\"{}\" is not a directory",
                    dir.join(name).display()
                ))
                .hint("ls tests/drivers shows them"));
        }
    }
    shell::run(repository::cargo().args(["build", "--package", "pgmoor-cli"]))?;
    let binary = repository::target_dir().join("debug/pgmoor");
    shell::run_watched(
        Command::new(dir.join("run"))
            .current_dir(repository::root())
            .args(names)
            .env("PGMOOR", binary),
        see,
    )
}
