//! `pgmoor psql`: opens psql on a database.
//!
//! The password goes by a passfile that only this user can read, never by an argument or by the
//! environment, where other programs of the user would inherit it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use pgmoor::settings::plain;

use crate::address::Address;
use crate::args::{Global, Psql};
use crate::exit::Exit;
use crate::output::Failure;

/// Where distributions keep PostgreSQL's programs, one directory a version.
const VERSIONED: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/Library/PostgreSQL", "bin"),
];

/// Runs it and ends with its exit code.
pub(super) fn run(global: &Global, arguments: &Psql) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let address = Address::of(&loaded.settings, arguments.database.as_deref())?;
    address.require_password(&loaded.settings.gateway)?;
    let program = find(env::var_os("PGMOOR_PG_BIN"), env::var_os("PATH")).ok_or_else(|| {
        Failure::new(Exit::Usage, "cannot find psql")
            .cause("it is neither in PGMOOR_PG_BIN, nor on PATH, nor where systems usually keep it")
            .hint("install it (Debian: postgresql-client; Homebrew: libpq), or set PGMOOR_PG_BIN to its directory")
    })?;
    let passfile = Passfile::write(&address)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let status = runtime.block_on(async {
        // Ctrl-C is for psql's statement; we end when psql does.
        let _interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
        let mut command = tokio::process::Command::new(&program);
        command.args(&arguments.arguments).envs(address.variables());
        if let Some(passfile) = &passfile {
            command
                .env("PGPASSFILE", &passfile.0)
                .env_remove("PGPASSWORD");
        }
        command.status().await
    });
    match status {
        Ok(status) => Ok(exit_of(status)),
        Err(error) => Err(
            Failure::new(Exit::Usage, format!("cannot run {}", program.display())).because(&error),
        ),
    }
}

/// The exit code of a child, as a shell would give it.
pub(super) fn exit_of(status: ExitStatus) -> Exit {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Exit::Child(u8::try_from(code).unwrap_or(1))
}

/// A passfile that is removed at the end.
struct Passfile(PathBuf);

impl Passfile {
    /// Writes the password for this address and no other.
    fn write(address: &Address) -> Result<Option<Self>, Failure> {
        let Some(password) = &address.password else {
            return Ok(None);
        };
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).expect("the system has random numbers");
        let path =
            env::temp_dir().join(format!("pgmoor-{:016x}.pgpass", u64::from_ne_bytes(random)));
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Usage, "cannot write a passfile for psql")
                .cause(format!("{}: {}", path.display(), plain(&error)))
                .hint("set TMPDIR to a directory that can be written to")
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let passfile = Self(path.clone());
        let line = format!(
            "{}:{}:*:{}:{}\n",
            escape(&address.host),
            address.port,
            escape(&address.user),
            escape(password.expose())
        );
        file.write_all(line.as_bytes()).map_err(failed)?;
        Ok(Some(passfile))
    }
}

impl Drop for Passfile {
    fn drop(&mut self) {
        // Nothing is lost when it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

/// As a passfile wants it: `:` and `\` after a `\`.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(':', "\\:")
}

fn find(pg_bin: Option<OsString>, path: Option<OsString>) -> Option<PathBuf> {
    let named = pg_bin.map(PathBuf::from);
    let on_path: Vec<PathBuf> = path
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    named
        .into_iter()
        .chain(on_path)
        .map(|directory| directory.join("psql"))
        .find(|program| program.is_file())
        .or_else(|| {
            VERSIONED
                .iter()
                .find_map(|(root, bin)| newest(Path::new(root), bin))
        })
}

/// The psql of the highest version below a directory.
fn newest(root: &Path, bin: &str) -> Option<PathBuf> {
    let version = |path: &Path| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        let digits: String = name
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        (name.starts_with(|c: char| c.is_ascii_digit())
            || name.starts_with("postgresql")
            || name.starts_with("pgsql-")
            || name == "libpq")
            .then(|| digits.parse().unwrap_or(0))
    };
    fs::read_dir(root)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((version(&entry.path())?, entry.path().join(bin).join("psql"))))
        .filter(|(_, program)| program.is_file())
        .max()
        .map(|(_, program)| program)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use pgmoor::Secret;

    use super::*;

    #[test]
    fn the_passfile_is_for_one_address_and_one_user_and_goes_away() {
        let address = Address {
            host: "::1".to_owned(),
            port: 6432,
            database: "app".to_owned(),
            user: "app".to_owned(),
            password: Some(Secret::from("a:b\\c")),
            needs_tls: false,
        };

        let passfile = Passfile::write(&address)
            .expect("can be written")
            .expect("there is a password");

        let path = passfile.0.clone();
        assert_eq!(
            fs::read_to_string(&path).expect("is there"),
            "\\:\\:1:6432:*:app:a\\:b\\\\c\n"
        );
        assert_eq!(
            fs::metadata(&path).expect("is there").permissions().mode() & 0o777,
            0o600
        );
        drop(passfile);
        assert!(!path.exists());
    }

    #[test]
    fn psql_of_the_highest_version_is_taken() {
        let root = tempfile::tempdir().expect("directory");
        for version in ["9.6", "15", "17"] {
            let bin = root.path().join(version).join("bin");
            fs::create_dir_all(&bin).expect("directory");
            fs::write(bin.join("psql"), "").expect("file");
        }
        assert_eq!(
            newest(root.path(), "bin"),
            Some(root.path().join("17/bin/psql"))
        );
    }
}
