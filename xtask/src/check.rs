//! What must hold before each commit: formatting, lints, documentation, tidiness.

use crate::stages::Stages;
use crate::tidy;
use xtask::failure::Failure;
use xtask::{repository, shell};

/// Runs every check, also after one failed, and fails when one did.
pub(crate) fn run() -> Result<(), Failure> {
    let mut stages = Stages::default();
    run_stages(&mut stages);
    stages.close("check")
}

/// Adds the checks to the stages of a longer run.
pub(crate) fn run_stages(stages: &mut Stages) {
    stages.run("formatting", || {
        shell::run(repository::cargo().args(["fmt", "--all", "--check"]))?;
        // A workspace of its own.
        let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
        shell::run(repository::cargo().args(fuzz))?;
        Ok(String::new())
    });
    stages.run("tidy", || {
        tidy::run(&tidy::Options::default()).map(|()| String::new())
    });
    stages.run("lints", || {
        shell::run(repository::cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
        .map(|()| String::new())
    });
    stages.run("documentation", || {
        // Before the others: the binary and the library have the same name, and the library's
        // pages shall be those that stay.
        document(&["--package", "pgmoor-cli", "--bins"])?;
        document(&["--workspace", "--exclude", "pgmoor-cli"])?;
        Ok(String::new())
    });
}

fn document(what: &[&str]) -> Result<(), Failure> {
    shell::run(
        repository::cargo()
            .args(["doc", "--no-deps", "--document-private-items"])
            .args(what)
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
