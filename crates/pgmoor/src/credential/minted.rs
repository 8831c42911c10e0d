//! A token source as a credential provider: one token for all, renewed ahead.

use std::sync::Arc;
use std::time::SystemTime;

use pgmoor_wire::Secret;

use super::renewal::{Clock, Expiring, Policy, Renewal, Status};
use super::token::{Considered, Token, TokenSource};
use super::{Credential, CredentialProvider, Examination, Request, Supply};

/// Supplies the tokens of a source as passwords.
#[derive(Debug)]
pub struct TokenProvider {
    source: Arc<dyn TokenSource>,
    renewal: Renewal<Token>,
}

impl TokenProvider {
    /// Supplies tokens of `source`, renewed by `policy`.
    pub fn new(source: Arc<dyn TokenSource>, policy: Policy, clock: Clock) -> Self {
        let minting = source.clone();
        let renewal = Renewal::new(policy, clock, move || {
            let source = minting.clone();
            Box::pin(async move { Ok(source.mint().await?) })
        });
        Self { source, renewal }
    }

    /// The token, renewed in time.
    #[cfg(feature = "google")]
    pub(crate) fn tokens(&self) -> &Renewal<Token> {
        &self.renewal
    }
}

impl CredentialProvider for TokenProvider {
    fn name(&self) -> String {
        self.source.name()
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(async {
            let token = self.renewal.get().await?;
            Ok(Credential::token(token.secret, token.expires_at))
        })
    }

    fn another<'a>(&'a self, _request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async {
            let secret = rejected.secret.as_ref().map(Secret::expose);
            let is_it = |token: &Token| secret == Some(token.secret.expose());
            let token = self.renewal.another(is_it).await?;
            Ok(Credential::token(token.secret, token.expires_at))
        })
    }

    fn status(&self) -> Option<Status> {
        Some(self.renewal.status())
    }

    fn examine<'a>(&'a self, _request: Request<'a>) -> Examination<'a> {
        Box::pin(async {
            let token = self.renewal.get().await;
            let considered: Vec<Considered> = self.source.considered();
            super::Examined {
                source: self.source.name(),
                considered,
                has_secret: token.is_ok(),
                claims: token.map(|token| token.claims),
                status: Some(self.renewal.status()),
            }
        })
    }
}

impl Expiring for Credential {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    fn is_same(&self, other: &Self) -> bool {
        self.same_as(other)
    }
}

impl Expiring for Token {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    fn is_same(&self, other: &Self) -> bool {
        // Both are ours: nobody learns from how long this takes.
        self.secret.expose() == other.secret.expose()
    }
}
