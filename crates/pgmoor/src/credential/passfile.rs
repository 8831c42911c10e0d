//! Passwords looked up in a passfile (`.pgpass`).

use std::path::PathBuf;
use std::sync::Arc;

use super::{Credential, CredentialError, CredentialProvider, Request, Supply};
use crate::endpoint::passfile;

/// Supplies what a passfile says of host, port, database and user; nothing where it says nothing.
///
/// The file is read for each login, as libpq does.
#[derive(Debug, Clone)]
pub struct PassfileProvider {
    path: PathBuf,
}

impl PassfileProvider {
    /// Looks passwords up in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What the file says; `None` also when there is no such file.
    ///
    /// # Errors
    /// [`CredentialError::Passfile`] when the file cannot be read, or others can read it too.
    pub fn look_up(&self, request: Request<'_>) -> Result<Option<Credential>, CredentialError> {
        let contents = passfile::read(&self.path).map_err(|source| CredentialError::Passfile {
            path: self.path.clone(),
            source: Arc::new(source),
        })?;
        let Some(contents) = contents else {
            return Ok(None);
        };
        let found = passfile::lookup(
            contents.expose(),
            &request.host.passfile_name(),
            request.host.port,
            request.database,
            request.user,
        );
        Ok(found.map(Credential::password))
    }
}

impl CredentialProvider for PassfileProvider {
    fn name(&self) -> String {
        format!("passfile {}", self.path.display())
    }

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        let found = self.look_up(request);
        Box::pin(std::future::ready(
            found.map(|credential| credential.unwrap_or_else(Credential::none)),
        ))
    }
}
