//! What we log in with, and who supplies it.
//!
//! A [`CredentialProvider`] is asked before each login, and for another when the server rejected what
//! it gave. It caches as it sees fit; nobody else keeps a credential.

mod moment;
mod retired;
mod text;
mod token;

mod error;

pub mod renewal;

#[cfg(feature = "aws")]
pub mod aws;

mod command;

mod given;

#[cfg(feature = "azure")]
pub mod azure;

pub mod vault;

mod file;
mod minted;
mod passfile;
mod service;

#[cfg(feature = "google")]
pub mod google;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use pgmoor_wire::Secret;

use crate::endpoint::Host;
pub use command::{Command, CommandProvider};
pub use error::CredentialError;
pub use file::FileProvider;
pub use given::GivenSecret;
pub use minted::TokenProvider;
pub use passfile::PassfileProvider;
use renewal::Status;
pub use retired::Retired;
pub use service::ServiceProvider;
pub(crate) use text::is_token;
pub use token::{
    Claim, Considered, FailureCause, Minting, Outcome, Token, TokenError, TokenSource,
};

/// What we log in with.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Whom to log in as, where the provider knows better than the endpoint.
    pub user: Option<String>,
    /// The password or token; none where the server should not ask (client certificate, peer).
    pub secret: Option<Secret<String>>,
    /// Until when it is valid, where that is known.
    pub expires_at: Option<SystemTime>,
    /// Whether the secret is a token, which lets whoever reads it act in our name: it goes out only
    /// inside TLS with a verified server, unless the operator said otherwise.
    pub is_token: bool,
    /// What it was made from, such as the id of a key. Two of the same origin are the same credential,
    /// although they may be written differently.
    pub origin: Option<Arc<str>>,
    /// Whether no secret is to be shown at all, wherever else there may be one.
    pub is_withheld: bool,
    /// What to look at when a server rejects it.
    pub advice: Option<String>,
    /// Tells when sessions of its user should end, because the user is about to go.
    pub retired: Option<Arc<Retired>>,
}

/// What `pgmoor login test` tells of a provider.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Who supplies the credential.
    pub source: String,
    /// Which places were looked at for it, in that order.
    pub considered: Vec<Considered>,
    /// What the credential says of its bearer, or why there is none.
    pub claims: Result<Vec<Claim>, CredentialError>,
    /// Whether there is a secret to show to the server.
    pub has_secret: bool,
    /// How its renewal stands, where it is renewed.
    pub status: Option<Status>,
}

/// An examination, when it is done.
pub type Examination<'a> = Pin<Box<dyn Future<Output = Examined> + Send + 'a>>;

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

/// What was held elsewhere, when it is given back.
pub type Closing<'a> = Pin<Box<dyn Future<Output = Result<(), CredentialError>> + Send + 'a>>;

/// Supplies credentials.
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// What it is called: "password file /run/secrets/db".
    fn name(&self) -> String;

    /// The credential for a login.
    ///
    /// Cancel safe: what was learnt is kept or learnt again.
    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a>;

    /// Another credential for a login whose server rejected `rejected`, which this provider supplied: one
    /// that did not come from a cache which still holds that, or the same where there is no other. Logins
    /// elsewhere may go on with the rejected one meanwhile: a server has other reasons too to refuse.
    ///
    /// Cancel safe: what was learnt is kept or learnt again.
    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        let _ = rejected;
        self.credential(request)
    }

    /// Gives back what is held for it elsewhere, such as a lease, when nobody is logged in by it any more.
    /// Afterwards it supplies nothing. It takes as long as the issuer does: whoever stops sets a limit.
    ///
    /// # Errors
    /// Why that could not be given back; it ends by itself then.
    fn close(&self) -> Closing<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How the renewal of what it supplies stands, where there is one. Of several the one that was
    /// asked for last.
    fn status(&self) -> Option<Status> {
        None
    }

    /// Gets a credential and tells all that may be told of it.
    fn examine<'a>(&'a self, request: Request<'a>) -> Examination<'a> {
        Box::pin(async move {
            let supplied = self.credential(request).await;
            Examined {
                source: self.name(),
                considered: Vec::new(),
                has_secret: matches!(&supplied, Ok(credential) if credential.secret.is_some()),
                claims: supplied.map(|credential| credential.claims()),
                status: self.status(),
            }
        })
    }
}

impl Credential {
    /// A password without an end. One that has the form of a cloud's token is one, wherever it came from.
    pub fn password(secret: Secret<String>) -> Self {
        Self {
            user: None,
            is_token: is_token(secret.expose()),
            secret: Some(secret),
            expires_at: None,
            origin: None,
            is_withheld: false,
            advice: None,
            retired: None,
        }
    }

    /// A token, which is not shown to just anybody.
    pub fn token(secret: Secret<String>, expires_at: Option<SystemTime>) -> Self {
        Self {
            expires_at,
            is_token: true,
            ..Self::password(secret)
        }
    }

    /// Nothing: the server must not ask.
    pub fn none() -> Self {
        Self {
            user: None,
            secret: None,
            expires_at: None,
            is_token: false,
            origin: None,
            is_withheld: false,
            advice: None,
            retired: None,
        }
    }

    /// What can be told of one that says nothing of itself.
    fn claims(&self) -> Vec<Claim> {
        let user = self.user.as_ref().map(|user| Claim::new("user", user));
        let end = self.expires_at.map(httpdate::fmt_http_date);
        let end = end.map(|end| Claim::new("expires at", end));
        user.into_iter().chain(end).collect()
    }

    /// Whether both are the same for the same user: of one origin, or else the same secret.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        if self.origin.is_some() && other.origin.is_some() {
            return self.user == other.user && self.origin == other.origin;
        }
        // Both are ours: nobody learns from how long this takes.
        self.user == other.user
            && self.secret.as_ref().map(Secret::expose) == other.secret.as_ref().map(Secret::expose)
    }
}

/// Supplies nothing, and sees to it that nobody else does: the client certificate is all that is shown, and
/// a server that asks for a password is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct CertificateProvider;

impl CredentialProvider for CertificateProvider {
    fn name(&self) -> String {
        "client certificate".to_owned()
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(std::future::ready(Ok(Credential {
            is_withheld: true,
            ..Credential::none()
        })))
    }

    fn examine<'a>(&'a self, _request: Request<'a>) -> Examination<'a> {
        Box::pin(async {
            Examined {
                source: self.name(),
                considered: vec![Considered::used("client certificate", "no secret is sent")],
                claims: Ok(Vec::new()),
                has_secret: false,
                status: None,
            }
        })
    }
}

/// Supplies nothing, for servers that do not ask: client certificates, `peer`, `trust`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredential;

impl CredentialProvider for NoCredential {
    fn name(&self) -> String {
        "none".to_owned()
    }

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
    fn name(&self) -> String {
        "password".to_owned()
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(std::future::ready(Ok(Credential::password(self.0.clone()))))
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
