//! Password files (`~/.pgpass`): lines `host:port:database:user:password`, the first that fits counts.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pgmoor_wire::Secret;

use super::environment::Environment;

/// Why a password file is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a directory, a pipe or the like.
    #[error("it is not a plain file")]
    NotAFile,
    /// Others than its owner may use it.
    #[error("group or others have access to it (mode {mode:04o}); its mode must be 0600 or less")]
    Readable {
        /// Its permission bits.
        mode: u32,
    },
}

/// Finds the password for a login in the contents of a password file.
///
/// `host` is [`Host::passfile_name`](super::Host::passfile_name). An empty password counts as none.
pub fn lookup(
    contents: &str,
    host: &str,
    port: u16,
    database: &str,
    user: &str,
) -> Option<Secret<String>> {
    if database.is_empty() || user.is_empty() {
        return None;
    }
    let host = if host.is_empty() { "localhost" } else { host };
    let port = port.to_string();
    contents
        .split('\n')
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let line = line.trim_end_matches('\r');
            let rest = [host, &port, database, user]
                .into_iter()
                .try_fold(line, strip_field)?;
            Some(unescape(rest))
        })
        .filter(|password| !password.is_empty())
        .map(Secret::new)
}

/// Checks that a password file is a plain file that only its owner may use.
///
/// # Errors
/// Says why it must not be used; libpq ignores such a file with a warning.
pub fn check_permissions(metadata: &Metadata) -> Result<(), Refusal> {
    if !metadata.is_file() {
        return Err(Refusal::NotAFile);
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Refusal::Readable { mode });
    }
    Ok(())
}

/// Reads a password file after checking its permissions; `None` when there is none.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or was refused: then the error carries a [`Refusal`].
pub fn read(path: &Path) -> io::Result<Option<Secret<String>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    check_permissions(&file.metadata()?)
        .map_err(|refusal| io::Error::new(io::ErrorKind::PermissionDenied, refusal))?;
    let mut contents = String::new();
    file.read_to_string(&mut contents)?;
    Ok(Some(Secret::new(contents)))
}

/// Where the password file is when the address names none.
pub fn default_path(environment: &Environment) -> Option<PathBuf> {
    environment.home().map(|home| home.join(".pgpass"))
}

/// Strips a field and its colon when the field is `*` or, unescaped, exactly `wanted`.
fn strip_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = wanted.chars().peekable();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == ':' && wanted.peek().is_none() {
            return Some(&line[at + 1..]);
        }
        // A colon that `wanted` has too needs no backslash, as in libpq: `::1:5432:…`.
        let c = if c == '\\' { chars.next()?.1 } else { c };
        if wanted.next() != Some(c) {
            return None;
        }
    }
    None
}

/// The password: up to the next plain colon, escapes removed.
fn unescape(text: &str) -> String {
    let mut password = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            '\\' => password.push(chars.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}
