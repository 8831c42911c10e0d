//! What is installed on this machine. Installs nothing itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a program of this name is on the search path.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

/// The program of this name on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// Whether a program runs with these arguments, and ends well.
pub fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user and group that servers run under when we are root: they refuse to be root.
pub fn account_for_servers() -> Option<(u32, u32)> {
    if !is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| account(&accounts, name))
}

fn account(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [found, _, user, group, ..] = fields[..] else {
            return None;
        };
        (found == name).then_some((user.parse().ok()?, group.parse().ok()?))
    })
}

/// The directory of PostgreSQL's server programs, highest version first; the places are those
/// where `pgmoor up` looks.
pub fn postgres_programs() -> Option<PathBuf> {
    env::var_os("PGMOOR_PG_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(usual_places())
        .chain(pg_config())
        .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(printed.trim()))
}

fn usual_places() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = [
        ("/usr/lib/postgresql", ""),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ]
    .iter()
    .flat_map(|(parent, prefix)| versions_in(Path::new(parent), prefix))
    .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

fn versions_in(parent: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry
                .file_name()
                .to_str()?
                .strip_prefix(prefix)?
                .parse()
                .ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/root:/bin/bash\npostgres2:x:7:8::/:\npostgres:x:101:102::/:";

        assert_eq!(account(accounts, "postgres"), Some((101, 102)));
        assert_eq!(account(accounts, "nobody"), None);
    }

    #[test]
    fn versions_are_read_from_directory_names_of_the_given_prefix() {
        let dir = tempfile::tempdir().expect("make a directory");
        for name in ["postgresql@16", "postgresql@17", "postgresql", "redis@7"] {
            fs::create_dir(dir.path().join(name)).expect("make a directory in it");
        }

        let mut versions = versions_in(dir.path(), "postgresql@");

        versions.sort();
        let numbers: Vec<u32> = versions.iter().map(|(version, _)| *version).collect();
        assert_eq!(numbers, [16, 17]);
        assert!(versions[0].1.ends_with("postgresql@16/bin"));
    }
}
