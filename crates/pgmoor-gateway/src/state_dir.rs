//! The directory where pgmoor keeps what it makes up: passwords, keys, tokens.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pgmoor::Secret;

/// Letters of generated passwords: none that a URL or a shell would need quoted.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 43 letters of 64 have 258 bits.
const LENGTH: usize = 43;

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It cannot be made.
    #[error("cannot create state directory {path}")]
    Create {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file in it cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others can read a secret in it.
    #[error("{path} can be read by others")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// A secret that nobody needs to know would let everybody in.
    #[error("{path} is empty")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("cannot make a random secret")]
    Randomness,
}

impl StateDirError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Create { .. } => {
                Some("set gateway.state_dir to a directory that this user may write".into())
            }
            Self::File { path, .. } => Some(format!("look at `ls -l {}`", path.display())),
            Self::Exposed { path } => Some(format!(
                "run `chmod 600 {}`, and if others may have read it, delete it: a new one is made",
                path.display()
            )),
            Self::Empty { path } => Some(format!(
                "delete it: a new one is made (was the disk full? `df {}`)",
                path.parent().unwrap_or(path).display()
            )),
            Self::Randomness => None,
        }
    }
}

/// Makes the directory if it is not there, for its user alone.
///
/// # Errors
///
/// [`StateDirError::Create`].
pub fn create(path: &Path) -> Result<(), StateDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StateDirError::Create {
            path: path.to_owned(),
            source,
        })
}

/// Where the generated password of a user is.
pub fn password_file(state_dir: &Path, user: &str) -> PathBuf {
    state_dir.join(format!("{user}.password"))
}

/// The generated password of a user, made up if there is none yet.
///
/// # Errors
///
/// [`StateDirError`].
pub fn generated_password(state_dir: &Path, user: &str) -> Result<Secret<String>, StateDirError> {
    secret(state_dir, &password_file(state_dir, user))
}

/// The token that lets `pgmoor` commands direct a running gateway over HTTP.
///
/// # Errors
///
/// [`StateDirError`].
pub fn admin_token(state_dir: &Path) -> Result<Secret<String>, StateDirError> {
    secret(state_dir, &state_dir.join("admin.token"))
}

/// What verifiers of unknown users are derived from: the same after a restart, or it would tell
/// them from known ones.
pub(crate) fn mock_key(state_dir: &Path) -> Result<[u8; 32], StateDirError> {
    let text = secret(state_dir, &state_dir.join("mock.key"))?;
    let mut key = [0; 32];
    for (byte, letter) in key.iter_mut().zip(text.expose().bytes()) {
        *byte = letter;
    }
    Ok(key)
}

fn secret(state_dir: &Path, path: &Path) -> Result<Secret<String>, StateDirError> {
    create(state_dir)?;
    let fail = |source| StateDirError::File {
        path: path.to_owned(),
        source,
    };
    match OpenOptions::new().read(true).open(path) {
        Ok(mut file) => {
            if file.metadata().map_err(fail)?.permissions().mode() & 0o077 != 0 {
                return Err(StateDirError::Exposed {
                    path: path.to_owned(),
                });
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(fail)?;
            whole(&text, path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, &random()?),
        Err(error) => Err(fail(error)),
    }
}

fn whole(text: &str, path: &Path) -> Result<Secret<String>, StateDirError> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(StateDirError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(Secret::new(text.to_owned()))
}

/// Written whole under another name first: killed in between, there is no half secret.
fn make(path: &Path, text: &Secret<String>) -> Result<Secret<String>, StateDirError> {
    let fail = |source| StateDirError::File {
        path: path.to_owned(),
        source,
    };
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(fail)?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(fail)?;
    let linked = writeln!(file, "{}", text.expose())
        .and_then(|()| file.sync_all())
        // A link fails when somebody else was faster; then theirs counts.
        .and_then(|()| fs::hard_link(&temporary, path));
    // Also after a full disk: half a secret is not left behind.
    fs::remove_file(&temporary).map_err(fail)?;
    match linked {
        Ok(()) => Ok(text.clone()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            whole(&fs::read_to_string(path).map_err(fail)?, path)
        }
        Err(error) => Err(fail(error)),
    }
}

fn random() -> Result<Secret<String>, StateDirError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| StateDirError::Randomness)?;
    let text = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 64)]))
        .collect();
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_stays_the_same_and_is_only_its_users() {
        let directory = tempfile::tempdir().expect("directory");
        let state = directory.path().join("state");

        let first = generated_password(&state, "app").expect("password");
        let second = generated_password(&state, "app").expect("password");

        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), LENGTH);
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&password_file(&state, "app")), 0o600);
    }

    #[test]
    fn a_password_that_others_can_read_is_not_used() {
        let directory = tempfile::tempdir().expect("directory");
        let path = password_file(directory.path(), "app");
        fs::write(&path, "x\n").expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");

        let error = generated_password(directory.path(), "app").expect_err("exposed");

        assert!(error.hint().expect("hint").contains("chmod 600"));
    }

    #[test]
    fn an_empty_password_lets_nobody_in_and_is_named() {
        let directory = tempfile::tempdir().expect("directory");
        let path = password_file(directory.path(), "app");
        fs::write(&path, "\n").expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");

        let error = generated_password(directory.path(), "app").expect_err("empty");

        assert_eq!(error.to_string(), format!("{} is empty", path.display()));
        assert!(error.hint().expect("hint").contains("delete it"));
    }
}
