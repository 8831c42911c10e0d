//! A person's consent, as `gcloud auth application-default login` leaves it behind: a refresh token.

use pgmoor_wire::Secret;

use super::exchange::{Grant, ask, form};
use super::fields::Fields;
use super::{Context, scope};
use crate::credential::{FailureCause, TokenError};

/// A person's consent.
#[derive(Debug)]
pub(super) struct Consent {
    client_id: String,
    client_secret: Secret<String>,
    refresh_token: Secret<String>,
    token_uri: String,
    /// Whose it is, where the file says so.
    account: Option<String>,
    pub(super) universe: Option<String>,
    pub(super) quota_project: Option<String>,
}

impl Consent {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, TokenError> {
        let universe = fields.optional("universe_domain");
        let domain = universe.as_deref().unwrap_or(scope::DEFAULT_UNIVERSE);
        let usual = || format!("https://oauth2.{domain}/token");
        Ok(Self {
            client_id: fields.text("client_id")?,
            client_secret: fields.secret("client_secret")?,
            refresh_token: fields.secret("refresh_token")?,
            token_uri: fields.optional("token_uri").unwrap_or_else(usual),
            account: fields.optional("account"),
            quota_project: fields.optional("quota_project_id"),
            universe,
        })
    }

    pub(super) fn describe(&self) -> String {
        match &self.account {
            Some(account) => format!("consent of {account}"),
            None => "a person's consent".to_owned(),
        }
    }

    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        let act = format!("get a token by {}", self.describe());
        let scope = consented(scopes).join(" ");
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
            ("refresh_token", self.refresh_token.expose()),
            ("scope", &scope),
        ];
        let request = form(&act, &self.token_uri, fields)?;
        let answer = ask(&context.client, &act, &request).await;
        let answer = answer.map_err(|error| match error.cause() {
            FailureCause::Refused => error.hint("run: gcloud auth application-default login"),
            _ => error,
        })?;
        let mut grant = Grant::from_oauth(&act, &answer)?;
        grant.principal = self.account.clone();
        Ok(grant)
    }
}

/// Less than the consent was given for: only what is asked for here. But nobody consents to the SQL Admin
/// API by itself: gcloud asks people for all of Google Cloud.
fn consented<'a>(scopes: &[&'a str]) -> Vec<&'a str> {
    let given = scopes.iter().map(|one| match *one {
        scope::ADMIN => scope::CLOUD,
        other => other,
    });
    given.collect()
}
