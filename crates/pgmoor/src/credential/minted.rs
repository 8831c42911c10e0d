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

    /// A token for a login as `user`, with what to look at when a server rejects it: the server does not say.
    fn for_login(&self, token: Token, user: &str) -> Credential {
        let advice = advice(&token, &self.source.remedy(user));
        Credential {
            advice: Some(advice),
            ..Credential::token(token.secret, token.expires_at)
        }
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

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        Box::pin(async move {
            let token = self.renewal.get().await?;
            Ok(self.for_login(token, request.user))
        })
    }

    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async move {
            let secret = rejected.secret.as_ref().map(Secret::expose);
            let is_it = |token: &Token| secret == Some(token.secret.expose());
            let token = self.renewal.another(is_it).await?;
            Ok(self.for_login(token, request.user))
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

/// What the token says, and what to look at.
fn advice(token: &Token, remedy: &str) -> String {
    let claims = token.claims.iter();
    let mut said: Vec<String> = claims
        .map(|claim| format!("{} {}", claim.name, claim.value))
        .collect();
    if let Some(end) = token.expires_at {
        said.push(format!("good until {}", httpdate::fmt_http_date(end)));
    }
    match said.is_empty() {
        true => format!("check {remedy}, and the clock of this host"),
        false => format!(
            "the token says: {}; check {remedy}, and the clock of this host",
            said.join(", ")
        ),
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
