//! The programs that fuzz: libFuzzer around each target, built by the stable compiler.
//!
//! Coverage comes from LLVM's own pass, which stable rustc runs when told so; a nightly compiler and
//! cargo-fuzz add sanitizers for unsafe code, of which there is none here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use xtask::failure::{Context, Failure};
use xtask::{repository, shell};

/// What is counted: each edge, and what is compared at it, which the fuzzer then tries.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Where everything goes that fuzzing makes.
pub(super) fn directory() -> PathBuf {
    repository::target_dir().join("fuzz")
}

/// Builds all targets and gives the directory where their programs are.
pub(super) fn build() -> Result<PathBuf, Failure> {
    take_lock_file()?;
    let host = host()?;
    shell::run(
        repository::cargo()
            .current_dir(repository::root().join("fuzz"))
            .env("RUSTFLAGS", COVERAGE)
            .env("CARGO_TARGET_DIR", directory())
            // For this target alone: what runs while building is not counted.
            .args(["build", "--release", "--target", &host]),
    )?;
    Ok(directory().join(host).join("release"))
}

/// The same versions as the product has, plus what fuzzing needs.
fn take_lock_file() -> Result<(), Failure> {
    let ours = repository::root().join("Cargo.lock");
    let theirs = repository::root().join("fuzz/Cargo.lock");
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let ours_changed = changed(&ours).unwrap_or_else(|_| SystemTime::now());
    if changed(&theirs).is_ok_and(|theirs| theirs > ours_changed) {
        return Ok(());
    }
    fs::copy(&ours, &theirs)
        .map(drop)
        .context(|| format!("cannot write \"{}\"", theirs.display()))
}

fn host() -> Result<String, Failure> {
    let told = shell::capture(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::new("cannot tell this machine's target from \"rustc -vV\""))
}
