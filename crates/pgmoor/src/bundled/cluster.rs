//! The data directory: what is there, and how a new one is made in one step.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

use super::account::Account;
use super::child;
use super::conf;
use super::error::BundledError;
use super::installation::Installation;
use super::layout::{Layout, close_to_others, open_dir, open_log, private_dir, sync_parent};
use super::settings::KeeperCommand;

/// The major version of the cluster in `data_dir`; `None` when one can be made there.
pub(crate) fn major_version(data_dir: &Path) -> Result<Option<u16>, BundledError> {
    let file = data_dir.join("PG_VERSION");
    match fs::read_to_string(&file) {
        // Before 10 a major version had two numbers; the first of them is refused all the same.
        Ok(text) => {
            let major = text
                .trim()
                .split('.')
                .next()
                .and_then(|major| major.parse().ok());
            let none = || BundledError::NotACluster {
                data_dir: data_dir.to_owned(),
            };
            major.map(Some).ok_or_else(none)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let problem = "it is not a directory";
            Err(BundledError::InTheWay {
                path: data_dir.to_owned(),
                problem,
            })
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BundledError::file("read", &file)(error))
        }
        Err(_) => match fs::read_dir(data_dir).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(BundledError::NotACluster {
                data_dir: data_dir.to_owned(),
            }),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BundledError::file("list", data_dir)(error)),
        },
    }
}

/// Refuses a cluster that belongs to someone else, and closes it to others, as PostgreSQL demands.
///
/// Kubernetes opens volumes to a group (`fsGroup`), which is why the mode is set and not refused.
pub(crate) fn take(data_dir: &Path, account: &Account) -> Result<(), BundledError> {
    close_to_others(&open_dir(data_dir)?, data_dir, account)
}

/// Makes a cluster: beside its place, and under its name only when it is whole and on disk.
pub(crate) async fn create(
    layout: &Layout,
    account: &Account,
    server: &Installation,
    via: &KeeperCommand,
) -> Result<(), BundledError> {
    let mut problem = String::new();
    for locale in locales(server.version.major) {
        let dir = layout.new_unfinished();
        private_dir(&dir, account)?;
        match initdb(&dir, account, server, via, locale).await? {
            Ok(()) => return finish(&dir, layout, account),
            Err(output) => problem = output,
        }
        // Only a locale that this system lacks is a reason to try another.
        if !problem.contains("locale") {
            break;
        }
    }
    remove_unfinished(layout);
    Err(BundledError::Initdb {
        data_dir: layout.data_dir.clone(),
        output: problem,
    })
}

/// Text sorts by code point in all of these, so an index stays valid when the C library changes.
fn locales(major: u16) -> &'static [&'static [&'static str]] {
    const LIBC: &[&[&str]] = &[
        &["--locale=C.UTF-8"],
        &["--locale=C", "--lc-ctype=en_US.UTF-8"],
        &["--locale=C"],
    ];
    const BUILTIN: &[&[&str]] = &[&[
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ]];
    if major >= 17 { BUILTIN } else { LIBC }
}

async fn initdb(
    dir: &Path,
    account: &Account,
    server: &Installation,
    via: &KeeperCommand,
    locale: &[&str],
) -> Result<Result<(), String>, BundledError> {
    let program = server.bin_dir.join("initdb");
    let mut args = vec!["-D".to_owned(), dir.display().to_string()];
    let fixed = [
        "--encoding=UTF8",
        "--data-checksums",
        "--lc-messages=C",
        // The superuser has no password; who may be it is told by the kernel.
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
        "--username",
        conf::SUPERUSER,
    ];
    args.extend(fixed.iter().chain(locale).map(|&arg| arg.to_owned()));
    let failed = |source| BundledError::Program {
        program: program.clone(),
        source,
    };
    let child = child::spawn(via, program.clone(), args, |command| {
        account.apply(command);
        command
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
    });
    let output = child
        .await
        .map_err(failed)?
        .wait_with_output()
        .await
        .map_err(failed)?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default();
    Ok(Err(last.join("\n  ")))
}

fn finish(made: &Path, layout: &Layout, account: &Account) -> Result<(), BundledError> {
    let conf = made.join("postgresql.conf");
    let mut file = open_log(&conf, account)?;
    file.write_all(conf::INCLUDE.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(BundledError::file("write", &conf))?;
    fs::rename(made, &layout.data_dir)
        .and_then(|()| sync_parent(&layout.data_dir))
        .map_err(BundledError::file(
            "put the new cluster at",
            &layout.data_dir,
        ))
}

/// Removes what starts left that were killed while they made a cluster.
///
/// It does not fail: what resists, because its `initdb` is still ending, is in nobody's way and
/// goes at the next start.
pub(crate) fn remove_unfinished(layout: &Layout) {
    for dir in layout.unfinished() {
        for _ in 0..20 {
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_or_empty_directory_can_take_a_cluster() {
        let dir = tempfile::tempdir().expect("temporary directory");

        assert!(matches!(major_version(&dir.path().join("new")), Ok(None)));
        assert!(matches!(major_version(dir.path()), Ok(None)));
    }

    #[test]
    fn a_cluster_tells_its_major_version() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (text, major) in [("15\n", 15), ("9.6\n", 9), ("18", 18)] {
            fs::write(dir.path().join("PG_VERSION"), text).expect("write");

            assert_eq!(major_version(dir.path()).expect("cluster"), Some(major));
        }
    }

    #[test]
    fn a_directory_with_other_things_and_a_file_are_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("write");

        assert!(matches!(
            major_version(dir.path()),
            Err(BundledError::NotACluster { .. })
        ));
        assert!(matches!(
            major_version(&file),
            Err(BundledError::InTheWay { .. })
        ));
    }
}
