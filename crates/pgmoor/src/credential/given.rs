//! A secret that a configuration gives: as it is, or in a file that somebody rotates.

use std::path::PathBuf;

use pgmoor_wire::Secret;

use super::chain;
use crate::secret_file;

/// No such secret is longer.
const MAX: u64 = 64 * 1024;

/// A secret that a configuration gives.
#[derive(Debug, Clone)]
pub enum GivenSecret {
    /// As it is.
    Value(Secret<String>),
    /// In a file, which is read whenever the secret is needed: it may be rotated.
    File(PathBuf),
    /// The same, in a file of which somebody else decides who may read it: a kubelet, an agent.
    ForeignFile(PathBuf),
}

impl GivenSecret {
    /// The secret, without the line ends behind it.
    ///
    /// # Errors
    /// Why it is not there, in words.
    pub(super) fn read(&self) -> Result<Secret<String>, String> {
        let (path, bytes) = match self {
            Self::Value(secret) => return Ok(secret.clone()),
            Self::File(path) => (path, secret_file::read(path, MAX).map(|(bytes, _)| bytes)),
            Self::ForeignFile(path) => (path, secret_file::read_foreign(path, MAX)),
        };
        let bytes = bytes.map_err(|error| chain(&error))?;
        let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("{} holds no secret", path.display()));
        }
        Ok(Secret::new(text.to_owned()))
    }

    /// Where it comes from, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Value(_) => "in the configuration".to_owned(),
            Self::File(path) | Self::ForeignFile(path) => format!("in {}", path.display()),
        }
    }
}
