//! Finds the programs of the PostgreSQL versions that this machine has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::cache_dir;

/// The programs of one PostgreSQL version.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    pub(crate) major: u16,
    /// What `postgres --version` prints; a template directory is good for that only.
    pub(crate) version: String,
    dir: PathBuf,
}

impl Binaries {
    /// Finds `major`, or the highest version that the system has.
    ///
    /// Without `major` a fetched version counts only if there is no other, so that what is tested,
    /// and that `psql` fits to it, does not depend on what was fetched before.
    ///
    /// # Panics
    ///
    /// When this machine does not have it; the message says how to get it.
    pub(crate) fn find(major: Option<u16>) -> Binaries {
        let found = match major {
            Some(major) => places_of(major).iter().find_map(|dir| look_into(dir)),
            None => places_by_preference().find_map(|dir| look_into(&dir)),
        };
        found.unwrap_or_else(|| match major {
            Some(major) => panic!(
                "PostgreSQL {major} is not on this machine; run: tests/fetch-postgres {major}"
            ),
            None => {
                panic!("no PostgreSQL server is on this machine; install the package postgresql")
            }
        })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The path of a client program (`psql`, `pgbench`, `pg_dump`) of the highest installed version.
///
/// # Panics
///
/// When no installed version has it.
pub fn client_program(name: &str) -> PathBuf {
    places_by_preference()
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no {name} on this machine; install the PostgreSQL client tools"))
}

/// Says whether [`Postgres`](crate::Postgres) can be started with this major version here.
pub fn has_major(major: u16) -> bool {
    places_of(major).iter().any(|dir| look_into(dir).is_some())
}

/// The major versions to test with: those that `PGMOOR_TEST_MAJORS` lists ("12,15,18"), else all of 12 to 18
/// that this machine has.
///
/// # Panics
///
/// When one that is listed is not here: a suite that promises a version must not leave it out.
pub fn majors() -> Vec<u16> {
    let Ok(listed) = std::env::var("PGMOOR_TEST_MAJORS") else {
        return (12..=18).filter(|major| has_major(*major)).collect();
    };
    let majors = listed.split(',').map(|major| {
        let major = major.trim().parse();
        major.unwrap_or_else(|_| panic!("PGMOOR_TEST_MAJORS is \"{listed}\""))
    });
    majors
        .inspect(|major| assert!(has_major(*major), "run: tests/fetch-postgres {major}"))
        .collect()
}

/// Where programs may be, the system's highest version first and what was fetched last.
fn places_by_preference() -> impl Iterator<Item = PathBuf> {
    let majors = || (12..=30).rev();
    majors()
        .flat_map(system_places)
        .chain(majors().flat_map(fetched_places))
}

fn places_of(major: u16) -> Vec<PathBuf> {
    let mut places = fetched_places(major);
    // What was chosen by the environment comes before the system's.
    let fetched = places.pop();
    places.extend(system_places(major));
    places.extend(fetched);
    places
}

/// The directory that the environment names, if it does, and the one of `tests/fetch-postgres`.
fn fetched_places(major: u16) -> Vec<PathBuf> {
    let chosen = std::env::var_os(format!("PGMOOR_TEST_PG_{major}"));
    chosen
        .map(PathBuf::from)
        .into_iter()
        .chain([cache_dir().join(major.to_string())])
        .map(|place| place.join("bin"))
        .collect()
}

fn system_places(major: u16) -> Vec<PathBuf> {
    [
        format!("/usr/lib/postgresql/{major}/bin"),
        format!("/usr/pgsql-{major}/bin"),
        format!("/opt/homebrew/opt/postgresql@{major}/bin"),
        format!("/usr/local/opt/postgresql@{major}/bin"),
    ]
    .map(PathBuf::from)
    .to_vec()
}

fn look_into(dir: &Path) -> Option<Binaries> {
    let dir = fs::canonicalize(dir).ok()?;
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let major = major_of(&version)?;
    Some(Binaries {
        major,
        version,
        dir,
    })
}

fn major_of(version: &str) -> Option<u16> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_prints() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)";

        assert_eq!(major_of(debian), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }
}
