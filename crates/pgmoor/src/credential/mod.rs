//! What we log in with, and who supplies it.
//!
//! A [`CredentialProvider`] is asked before each login and told when the server rejected what it
//! gave. It caches as it sees fit; nobody else keeps a credential.

mod command;
mod error;
mod file;
mod flight;
mod moment;
mod passfile;
mod text;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use pgmoor_wire::Secret;

use crate::endpoint::Host;
pub use command::{Command, CommandProvider};
pub use error::CredentialError;
pub use file::FileProvider;
pub use passfile::PassfileProvider;

/// What we log in with.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Whom to log in as, where the provider knows better than the endpoint.
    pub user: Option<String>,
    /// The password or token; none where the server should not ask (client certificate, peer).
    pub secret: Option<Secret<String>>,
    /// Until when it is valid, where that is known.
    pub expires_at: Option<SystemTime>,
}

/// What a credential is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The server.
    pub host: &'a Host,
    /// The database.
    pub database: &'a str,
    /// Whom the endpoint logs in as.
    pub user: &'a str,
}

/// The answer of a provider, when it comes.
pub type Supply<'a> =
    Pin<Box<dyn Future<Output = Result<Credential, CredentialError>> + Send + 'a>>;

/// Supplies credentials.
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// The credential for a login.
    ///
    /// Cancel safe: what was learnt is kept or learnt again.
    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a>;

    /// Says that a server rejected `rejected`, which this provider supplied: the next
    /// [`credential`](Self::credential) must not come from a cache that still holds it.
    fn invalidate(&self, rejected: &Credential) {
        let _ = rejected;
    }
}

impl Credential {
    /// A password without an end.
    pub fn password(secret: Secret<String>) -> Self {
        Self {
            user: None,
            secret: Some(secret),
            expires_at: None,
        }
    }

    /// Nothing: the server must not ask.
    pub fn none() -> Self {
        Self {
            user: None,
            secret: None,
            expires_at: None,
        }
    }

    /// Whether both are the same secret for the same user.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        // Both are ours: nobody learns from how long this takes.
        self.user == other.user
            && self.secret.as_ref().map(Secret::expose) == other.secret.as_ref().map(Secret::expose)
    }
}

/// Supplies nothing, for servers that do not ask: client certificates, `peer`, `trust`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredential;

impl CredentialProvider for NoCredential {
    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(std::future::ready(Ok(Credential::none())))
    }
}

/// Supplies one password that never changes.
#[derive(Debug, Clone)]
pub struct PasswordProvider(Secret<String>);

impl PasswordProvider {
    /// Supplies `password`.
    pub fn new(password: Secret<String>) -> Self {
        Self(password)
    }
}

impl CredentialProvider for PasswordProvider {
    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(std::future::ready(Ok(Credential::password(self.0.clone()))))
    }
}
