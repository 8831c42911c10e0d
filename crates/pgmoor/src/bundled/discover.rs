//! Which server programs to use: looks in the named place only, else in the usual ones, and
//! remembers where it looked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::archive;
use super::error::BundledError;
use super::installation::{Installation, Looked};
use super::settings::BundledSettings;
use super::version::Version;

/// Directories where packages put server programs; one `*` stands for any version.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/bin",
];

// A program that does not tell its version within this time hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// All installations that may be used, highest version first, and everything that was looked at.
#[derive(Debug, Default)]
pub struct Found {
    /// Supported installations, highest version first.
    pub installations: Vec<Installation>,
    /// Every place, and what was there.
    pub looked: Vec<Looked>,
}

impl Found {
    /// The highest version, or the highest of `major` when a data directory asks for one.
    pub fn best(&self, major: Option<u16>) -> Option<&Installation> {
        let fits = |i: &&Installation| major.is_none_or(|major| i.version.major == major);
        self.installations.iter().find(fits)
    }
}

/// Finds server programs for `settings`.
///
/// # Errors
/// A named place that cannot be used is an error, and nothing else is looked at then; finding
/// nothing in the usual places is one too.
pub async fn discover(settings: &BundledSettings) -> Result<Found, BundledError> {
    if let Some(named) = settings.binaries.as_ref().or(settings.pg_bin.as_ref()) {
        return named_place(named, &settings.state_dir).await;
    }
    let mut found = Found::default();
    if let Some(path) = &settings.search_path {
        look_by_pg_config(&mut found, path).await;
    }
    for pattern in USUAL {
        look_at_pattern(&mut found, pattern).await;
    }
    found
        .installations
        .sort_by_key(|found| std::cmp::Reverse(found.version));
    if found.installations.is_empty() {
        return Err(BundledError::NoServer {
            looked: found.looked,
        });
    }
    Ok(found)
}

async fn named_place(place: &Path, state_dir: &Path) -> Result<Found, BundledError> {
    let unusable = |problem: String| BundledError::UnusableServer {
        place: place.to_owned(),
        problem,
    };
    // The keeper runs in another directory than we do.
    let place = &std::path::absolute(place).map_err(BundledError::file("resolve", place))?;
    let bin_dir = if place.is_dir() {
        archive::find_bin(place, 3)
            .ok_or_else(|| unusable("there is no \"postgres\" with \"initdb\" in it".to_owned()))?
    } else if place.is_file() {
        unpack(place.clone(), state_dir.join("postgresql")).await?
    } else {
        return Err(unusable("it does not exist".to_owned()));
    };
    let version = ask_version(&bin_dir).await.map_err(unusable)?;
    if !version.is_supported() {
        return Err(unusable(format!(
            "PostgreSQL {version} is not supported (12 to 18 are)"
        )));
    }
    let looked = Looked {
        place: bin_dir.display().to_string(),
        outcome: version.to_string(),
    };
    Ok(Found {
        installations: vec![Installation { bin_dir, version }],
        looked: vec![looked],
    })
}

async fn unpack(archive: PathBuf, cache: PathBuf) -> Result<PathBuf, BundledError> {
    let named = archive.clone();
    tokio::task::spawn_blocking(move || archive::unpack(&archive, &cache))
        .await
        .expect("unpacking does not panic and is not aborted")
        .map_err(|source| BundledError::Unpack {
            archive: named,
            source,
        })
}

async fn look_by_pg_config(found: &mut Found, path: &OsString) {
    let place = "pg_config in PATH".to_owned();
    let program = std::env::split_paths(path)
        .map(|d| d.join("pg_config"))
        .find(|p| p.is_file());
    let Some(program) = program else {
        return found.looked.push(Looked {
            place,
            outcome: "not there".to_owned(),
        });
    };
    match ask(&program, "--bindir").await {
        Ok(dir) => look_at(found, Path::new(dir.trim()), &place).await,
        Err(problem) => found.looked.push(Looked {
            place,
            outcome: problem,
        }),
    }
}

async fn look_at_pattern(found: &mut Found, pattern: &str) {
    let dirs: Vec<_> = expand(pattern)
        .into_iter()
        .filter(|dir| dir.join("postgres").exists())
        .collect();
    if dirs.is_empty() {
        let outcome = "not there".to_owned();
        return found.looked.push(Looked {
            place: pattern.to_owned(),
            outcome,
        });
    }
    for dir in dirs {
        look_at(found, &dir, &dir.display().to_string()).await;
    }
}

async fn look_at(found: &mut Found, bin_dir: &Path, place: &str) {
    if found
        .installations
        .iter()
        .any(|known| known.bin_dir == bin_dir)
    {
        return;
    }
    let outcome = match ask_version(bin_dir).await {
        Ok(version) if !version.is_supported() => format!("{version}, not supported"),
        Ok(version) if !bin_dir.join("initdb").exists() => format!("{version}, without initdb"),
        Ok(version) => {
            found.installations.push(Installation {
                bin_dir: bin_dir.to_owned(),
                version,
            });
            version.to_string()
        }
        Err(problem) => problem,
    };
    found.looked.push(Looked {
        place: place.to_owned(),
        outcome,
    });
}

/// Replaces the one `*` of a pattern by what is there.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some(star) = pattern.find('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (before, after) = pattern.split_at(star);
    let after = after.trim_start_matches('*').trim_start_matches('/');
    let (dir, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut dirs: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after))
        .collect();
    dirs.sort();
    dirs
}

async fn ask_version(bin_dir: &Path) -> Result<Version, String> {
    let text = ask(&bin_dir.join("postgres"), "--version").await?;
    Version::from_program_output(&text)
        .ok_or_else(|| format!("\"postgres --version\" says \"{}\"", text.trim()))
}

async fn ask(program: &Path, argument: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .env_clear()
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let run = tokio::time::timeout(ANSWER_TIMEOUT, command.output());
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let output = match run.await {
        Err(_) => return Err(format!("\"{name} {argument}\" does not answer")),
        Ok(Err(error)) => return Err(format!("\"{name}\" does not run: {error}")),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        return Err(format!("\"{name} {argument}\" fails: {said}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::bundled::KeeperCommand;

    fn fake_server(dir: &Path, version: &str) {
        fs::create_dir_all(dir).expect("directory");
        for program in ["postgres", "initdb", "pg_config"] {
            let answer = if program == "pg_config" {
                dir.display().to_string()
            } else {
                format!("{program} (PostgreSQL) {version}")
            };
            let file = dir.join(program);
            fs::write(&file, format!("#!/bin/sh\necho '{answer}'\n")).expect("write");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
        }
    }

    fn settings(dir: &Path) -> BundledSettings {
        let keeper = KeeperCommand {
            program: "/bin/false".into(),
            args: Vec::new(),
        };
        BundledSettings::new(dir.join("data"), dir.join("state"), keeper)
    }

    #[tokio::test]
    async fn a_named_directory_is_the_only_place() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fake_server(&dir.path().join("pg/bin"), "13.9");
        let mut settings = settings(dir.path());
        settings.pg_bin = Some(dir.path().join("pg"));

        let found = discover(&settings).await.expect("found");

        let versions: Vec<_> = found
            .installations
            .iter()
            .map(|i| i.version.major)
            .collect();
        assert_eq!(versions, [13]);
        assert_eq!(found.installations[0].bin_dir, dir.path().join("pg/bin"));
    }

    #[tokio::test]
    async fn a_named_place_that_cannot_be_used_is_an_error_and_not_skipped() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fake_server(&dir.path().join("old"), "9.6");
        let mut settings = settings(dir.path());

        settings.pg_bin = Some(dir.path().join("none"));
        let none = discover(&settings).await.expect_err("refused").to_string();
        settings.pg_bin = Some(dir.path().join("old"));
        let old = discover(&settings).await.expect_err("refused").to_string();

        assert!(none.ends_with("none\": it does not exist"), "{none}");
        assert!(
            old.contains("PostgreSQL 9.6 is not supported (12 to 18 are)"),
            "{old}"
        );
    }

    #[tokio::test]
    async fn pg_config_in_the_search_path_is_asked() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fake_server(dir.path(), "18.99");
        let mut settings = settings(dir.path());
        settings.search_path = Some(dir.path().into());

        let found = discover(&settings).await.expect("found");

        assert_eq!(found.best(None).expect("best").version.minor, 99);
        assert!(
            found
                .looked
                .iter()
                .any(|l| l.place == "pg_config in PATH" && l.outcome == "18.99")
        );
    }

    #[test]
    fn the_highest_version_wins_unless_the_data_asks_for_another() {
        let one = |major| Installation {
            bin_dir: PathBuf::new(),
            version: Version { major, minor: 1 },
        };
        let found = Found {
            installations: vec![one(17), one(15)],
            looked: Vec::new(),
        };

        assert_eq!(found.best(None).map(|i| i.version.major), Some(17));
        assert_eq!(found.best(Some(15)).map(|i| i.version.major), Some(15));
        assert_eq!(found.best(Some(14)), None);
    }

    #[test]
    fn a_pattern_finds_every_version() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in ["pgsql-15", "pgsql-16", "other"] {
            fs::create_dir(dir.path().join(name)).expect("directory");
        }

        let dirs = expand(&format!("{}/pgsql-*/bin", dir.path().display()));

        assert_eq!(
            dirs,
            [
                dir.path().join("pgsql-15/bin"),
                dir.path().join("pgsql-16/bin")
            ]
        );
    }
}
