//! User and password of a section in a connection service file (`pg_service.conf`).

use std::path::PathBuf;

use super::{Credential, CredentialProvider, FailureCause, Request, Supply, TokenError};
use crate::endpoint::service;

/// Supplies user and password of a service, and nothing else of it.
///
/// The file is read for each login, so that a rotated password needs no restart.
#[derive(Debug, Clone)]
pub struct ServiceProvider {
    service: String,
    files: Vec<PathBuf>,
    takes_user: bool,
}

impl ServiceProvider {
    /// Looks for `service` in the first of `files` that has it, as libpq does.
    pub fn new(service: impl Into<String>, files: Vec<PathBuf>) -> Self {
        Self {
            service: service.into(),
            files,
            takes_user: true,
        }
    }

    /// Takes only the password: the user is named elsewhere.
    #[must_use]
    pub fn password_only(mut self) -> Self {
        self.takes_user = false;
        self
    }

    /// What the section says.
    ///
    /// # Errors
    /// There is no such section, it cannot be read, or it has no password.
    pub fn read(&self) -> Result<Credential, TokenError> {
        let wrong = || {
            let act = format!("take a password from the service \"{}\"", self.service);
            TokenError::new(FailureCause::Configuration, act)
        };
        let section = service::find(&self.service, &self.files);
        let section = section.map_err(|error| {
            let hint = error.hint();
            let error = wrong().because(error);
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        let value = |name: &str| section.iter().find(|(known, _)| *known == name);
        let (_, password) = value("password").ok_or_else(|| {
            let error = wrong().why("its section has no \"password\"");
            error.hint("add a line password=… to the section")
        })?;
        let user = value("user").filter(|_| self.takes_user);
        Ok(Credential {
            user: user.map(|(_, user)| user.expose().clone()),
            ..Credential::password(password.clone())
        })
    }
}

impl CredentialProvider for ServiceProvider {
    fn name(&self) -> String {
        format!("service \"{}\"", self.service)
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(async { Ok(self.read()?) })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pg_service.conf");
        std::fs::write(&path, text).expect("write");
        (directory, path)
    }

    #[test]
    fn user_and_password_of_the_section_are_read_anew_each_time() {
        let (_directory, path) = file("[other]\npassword=no\n[app]\nuser=ann\npassword=one\n");
        let provider = ServiceProvider::new("app", vec![path.clone()]);
        let first = provider.read().expect("a credential");
        assert_eq!(first.user.as_deref(), Some("ann"));

        std::fs::write(&path, "[app]\nuser=ben\npassword=two\n").expect("write");

        let second = provider.read().expect("a credential");
        assert_eq!(second.user.as_deref(), Some("ben"));
        assert_eq!(second.secret.expect("one").expose(), "two");
        let other = provider.password_only().read().expect("a credential");
        assert_eq!(other.user, None);
    }

    #[test]
    fn missing_section_and_missing_password_are_told_apart() {
        let (_directory, path) = file("[app]\nuser=ann\n");
        let why = |service: &str| {
            let provider = ServiceProvider::new(service, vec![path.clone()]);
            let error = provider.read().expect_err("no password");
            error.source().expect("a cause").to_string()
        };

        assert_eq!(why("app"), "its section has no \"password\"");
        assert!(why("web").contains("web"), "{}", why("web"));
    }
}
