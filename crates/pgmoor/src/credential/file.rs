//! A password in a file that somebody rotates.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Credential, CredentialError, CredentialProvider, Request, Supply, text};
use crate::secret_file::{self, Fingerprint};

/// No password is longer; PostgreSQL itself takes less.
const MAX_FILE: u64 = 64 * 1024;

/// Supplies the password that a file holds.
///
/// The file is looked at before each login and read again when it changed, so that a rotated
/// Kubernetes Secret needs no restart.
#[derive(Debug)]
pub struct FileProvider {
    path: PathBuf,
    last: Mutex<Option<(Fingerprint, Credential)>>,
}

impl FileProvider {
    /// Supplies the content of `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            last: Mutex::new(None),
        }
    }

    /// Reads the file, or remembers it. Blocks for one `stat`, and for one read after a change.
    ///
    /// # Errors
    /// [`CredentialError::File`] and [`CredentialError::Content`].
    pub fn read(&self) -> Result<Credential, CredentialError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((fingerprint, credential)) = &*last
            && Fingerprint::of(&self.path).is_ok_and(|now| now == *fingerprint)
        {
            return Ok(credential.clone());
        }
        // What was read before is not kept: a file that is gone means a password that is gone.
        *last = None;
        let (bytes, fingerprint) = secret_file::read(&self.path, MAX_FILE)
            .map_err(|error| CredentialError::File(Arc::new(error)))?;
        let secret =
            text::password(bytes.expose()).map_err(|problem| CredentialError::Content {
                origin: format!("password file {}", self.path.display()),
                problem,
            })?;
        let credential = Credential::password(secret);
        *last = Some((fingerprint, credential.clone()));
        Ok(credential)
    }
}

impl CredentialProvider for FileProvider {
    fn name(&self) -> String {
        format!("password file {}", self.path.display())
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(async { self.read() })
    }

    /// The file is read once more, even when it looks unchanged.
    fn another<'a>(&'a self, _request: Request<'a>, _rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.read()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn write(path: &Path, content: &str) {
        std::fs::write(path, content).expect("write");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("chmod");
    }

    fn secret(provider: &FileProvider) -> String {
        let credential = provider.read().expect("credential");
        credential.secret.expect("secret").expose().clone()
    }

    #[test]
    fn swapped_symbolic_link_is_noticed() {
        let directory = tempfile::tempdir().expect("directory");
        let (old, new, link, next) = (
            directory.path().join("old"),
            directory.path().join("new"),
            directory.path().join("pw"),
            directory.path().join("next"),
        );
        write(&old, "one\n");
        write(&new, "two\n");
        std::os::unix::fs::symlink(&old, &link).expect("link");
        let provider = FileProvider::new(&link);
        assert_eq!(secret(&provider), "one");

        std::os::unix::fs::symlink(&new, &next).expect("link");
        std::fs::rename(&next, &link).expect("swap");

        assert_eq!(secret(&provider), "two");
    }

    #[test]
    fn file_that_is_gone_gives_no_old_password() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pw");
        write(&path, "one");
        let provider = FileProvider::new(&path);
        assert_eq!(secret(&provider), "one");

        std::fs::remove_file(&path).expect("remove");

        let error = provider.read().expect_err("gone");
        assert!(matches!(error, CredentialError::File(_)));
        assert!(error.is_retryable());
    }

    #[test]
    fn empty_file_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pw");
        write(&path, "\n");

        let error = FileProvider::new(&path).read().expect_err("empty");

        assert_eq!(
            error.to_string(),
            format!("password file {} is empty", path.display())
        );
    }
}
