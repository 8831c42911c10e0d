//! What was measured on, and with: a figure without it says nothing.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;
use xtask::failure::{Context, Failure};
use xtask::repository;

use crate::gates::Programs;

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    pub(crate) kernel: String,
    pub(crate) open_files: u64,
    /// Of the minute before.
    pub(crate) load: f64,
    pub(crate) postgres: String,
    pub(crate) pgbouncer: String,
    pub(crate) pgmoor: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) command: String,
}

impl Machine {
    pub(crate) fn look(programs: &Programs, open_files: u64) -> Result<Machine, Failure> {
        let cores = std::thread::available_parallelism().context(|| "cannot count cores".into())?;
        let psql = pgmoor_testkit::client_program("postgres");
        Ok(Machine {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: cores.get(),
            memory_gib: field("/proc/meminfo", "MemTotal").map_or(0, |total| gib(&total)),
            system: field_of("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(unknown),
            kernel: first_line(Command::new("uname").arg("-sr")).unwrap_or_else(unknown),
            open_files,
            load: load().unwrap_or_default(),
            postgres: version(&psql),
            pgbouncer: version(&programs.pgbouncer),
            pgmoor: version(&programs.pgmoor),
            commit: commit().unwrap_or_else(unknown),
            date: first_line(Command::new("date").args(["-u", "+%Y-%m-%d"]))
                .unwrap_or_else(unknown),
            command: command(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {} cores and {} GiB, {}, {}; {}; {}; {}; commit {}; {}",
            self.processor,
            self.cores,
            self.memory_gib,
            self.system,
            self.kernel,
            self.postgres,
            self.pgbouncer,
            self.pgmoor,
            self.commit,
            self.date
        )
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn field(path: &str, name: &str) -> Option<String> {
    field_of(path, name, ':')
}

fn field_of(path: &str, name: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn load() -> Option<f64> {
    let averages = fs::read_to_string("/proc/loadavg").ok()?;
    averages.split(' ').next()?.parse().ok()
}

/// From `24639384 kB`, rounded.
fn gib(total: &str) -> u64 {
    let kib: u64 = total
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    (kib + 512 * 1024) / (1024 * 1024)
}

fn version(program: &Path) -> String {
    first_line(Command::new(program).arg("--version"))
        .unwrap_or_else(|| format!("no {}", program.display()))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    printed.lines().next().map(|line| line.trim().to_owned())
}

/// The commit, and whether what was measured is more than it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        first_line(
            Command::new("git")
                .current_dir(repository::root())
                .args(arguments),
        )
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed {
        format!("{commit} with changes")
    } else {
        commit
    })
}

fn command() -> String {
    let options: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo x {}", options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_rounded_to_gib() {
        assert_eq!(gib("24639384 kB"), 23);
        assert_eq!(gib(""), 0);
    }
}
