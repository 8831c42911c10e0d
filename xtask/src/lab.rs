//! Hands `dev`, `bench` and `torture` to the package `lab`, built in release mode with the gateway itself.

use std::ffi::OsString;

use xtask::failure::Failure;
use xtask::{repository, shell};

/// Builds the gateway and becomes a task of the lab with these options.
pub(crate) fn run(task: &str, options: &[OsString]) -> Result<(), Failure> {
    shell::run(repository::cargo().args(["build", "--release", "--package", "pgmoor-cli"]))?;
    let lab = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "lab",
        "--",
        task,
    ];
    Err(shell::replace(repository::cargo().args(lab).args(options)))
}
