//! Who there is, what they may do, and which tokens they hold.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::aws::AwsKeys;
use super::scope;
use crate::host::random_password;
use crate::identity::Judge;

/// An access token that was given out.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Whose it is: an e-mail address or a `principal://`.
    pub principal: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// Until when.
    pub expires_at: SystemTime,
}

impl Issued {
    pub(crate) fn has_any(&self, wanted: &[&str]) -> bool {
        self.scopes
            .iter()
            .any(|scope| wanted.contains(&scope.as_str()))
    }
}

/// What a provider of a workload identity pool trusts.
pub(crate) enum Trusted {
    /// Tokens of an issuer, by text; each with its subject.
    Tokens(HashMap<String, String>),
    /// Those who prove to be somebody at AWS.
    Aws(Vec<AwsKeys>),
}

/// Who there is.
#[derive(Default)]
pub(crate) struct People {
    /// Public keys (PKCS#1) of service accounts by e-mail and id of the key.
    pub(crate) keys: HashMap<(String, String), Vec<u8>>,
    /// Client, its secret and e-mail by refresh token.
    pub(crate) refresh: HashMap<String, (String, String, String)>,
    tokens: HashMap<String, Issued>,
    /// Who is told of tokens that let into databases.
    pub(crate) judge: Option<Judge>,
    impersonators: HashSet<(String, String)>,
    clients: HashSet<(String, String)>,
    consumers: HashSet<(String, String)>,
    gone: HashSet<String>,
    /// By audience.
    pub(crate) pools: HashMap<String, Trusted>,
}

impl People {
    /// A new token.
    pub(crate) fn issue(&mut self, principal: &str, scopes: &[String], life: Duration) -> String {
        let token = format!("ya29.c.{}.{}", random_password(), random_password());
        let issued = Issued {
            principal: principal.to_owned(),
            scopes: scopes.to_vec(),
            expires_at: SystemTime::now() + life,
        };
        if let Some(judge) = self.judge.as_ref().filter(|_| lets_in(&issued)) {
            judge.issued(&token, &database_user(principal), life);
        }
        self.tokens.insert(token.clone(), issued);
        token
    }

    /// Whose token it is, or why it is none. Dots behind it are padding.
    pub(crate) fn judge(&self, token: &str) -> Result<&Issued, String> {
        let bare = token.trim_end_matches('.');
        let issued = self
            .tokens
            .get(bare)
            .ok_or("the token is not one of ours")?;
        if issued.expires_at <= SystemTime::now() {
            return Err("the token has expired".to_owned());
        }
        if self.gone.contains(&issued.principal) {
            return Err(format!("{} is disabled", issued.principal));
        }
        Ok(issued)
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &String> {
        self.tokens.keys()
    }

    pub(crate) fn disable(&mut self, principal: &str) {
        self.gone.insert(principal.to_owned());
    }

    pub(crate) fn enable(&mut self, principal: &str) {
        self.gone.remove(principal);
    }

    pub(crate) fn is_disabled(&self, principal: &str) -> bool {
        self.gone.contains(principal)
    }

    pub(crate) fn allow_impersonation(&mut self, who: &str, target: &str) {
        self.impersonators
            .insert((who.to_owned(), target.to_owned()));
    }

    pub(crate) fn forbid_impersonation(&mut self, target: &str) {
        self.impersonators.retain(|(_, other)| other != target);
    }

    pub(crate) fn may_impersonate(&self, who: &str, target: &str) -> bool {
        self.impersonators
            .contains(&(who.to_owned(), target.to_owned()))
    }

    pub(crate) fn make_client(&mut self, who: &str, project: &str) {
        self.clients.insert((who.to_owned(), project.to_owned()));
    }

    pub(crate) fn take_client(&mut self, who: &str, project: &str) {
        self.clients.remove(&(who.to_owned(), project.to_owned()));
    }

    pub(crate) fn is_client(&self, who: &str, project: &str) -> bool {
        self.clients.contains(&(who.to_owned(), project.to_owned()))
    }

    pub(crate) fn allow_quota(&mut self, who: &str, project: &str) {
        self.consumers.insert((who.to_owned(), project.to_owned()));
    }

    /// Whether `who` may have its calls counted to `project`.
    pub(crate) fn may_consume(&self, who: &str, project: &str) -> bool {
        self.consumers
            .contains(&(who.to_owned(), project.to_owned()))
    }
}

/// The name of the database role of a principal: a service account's without its domain.
pub fn database_user(principal: &str) -> String {
    let bare = principal
        .strip_suffix(".gserviceaccount.com")
        .unwrap_or(principal);
    bare.to_lowercase()
}

/// Whether these scopes let a token into a database.
pub(crate) fn lets_in(issued: &Issued) -> bool {
    issued.has_any(&[scope::LOGIN, scope::CLOUD])
}
