//! Workload identity federation: a token of another issuer is exchanged for one of Google's.

mod sigv4;

mod aws;
mod executable;
mod supplied;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgmoor_wire::Secret;

use super::exchange::{Grant, ask, form};
use super::fields::{Fields, unreadable};
use super::impersonation::Target;
use super::{Context, scope};
use crate::credential::{FailureCause, TokenError};
use crate::http::{HeaderValue, header};
use aws::Aws;
use executable::Executable;
use supplied::{FromFile, FromUrl};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A credential file of type `external_account`.
#[derive(Debug)]
pub(super) struct External {
    audience: String,
    subject_type: String,
    token_url: String,
    subject: Subject,
    /// The account that is acted as, where the pool's own identity has no rights.
    pub(super) target: Option<Target>,
    client: Option<(String, Secret<String>)>,
    user_project: Option<String>,
    pub(super) universe: Option<String>,
    pub(super) quota_project: Option<String>,
}

/// Where the other issuer's token comes from.
#[derive(Debug)]
enum Subject {
    File(FromFile),
    Url(FromUrl),
    Executable(Executable),
    Aws(Aws),
}

impl External {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, TokenError> {
        let universe = fields.optional("universe_domain");
        let domain = universe.as_deref().unwrap_or(scope::DEFAULT_UNIVERSE);
        let usual = || format!("https://sts.{domain}/v1/token");
        let client = match (
            fields.optional("client_id"),
            fields.optional("client_secret"),
        ) {
            (Some(id), secret) => Some((id, Secret::from(secret.unwrap_or_default()))),
            (None, _) => None,
        };
        let (audience, subject_type) =
            (fields.text("audience")?, fields.text("subject_token_type")?);
        let target = target(fields)?;
        let subject = Subject::read(fields, &audience, &subject_type, target.as_ref())?;
        Ok(Self {
            audience,
            subject_type,
            token_url: fields.optional("token_url").unwrap_or_else(usual),
            subject,
            target,
            client,
            user_project: fields.optional("workforce_pool_user_project"),
            quota_project: fields.optional("quota_project_id"),
            universe,
        })
    }

    pub(super) fn describe(&self) -> String {
        let from = match &self.subject {
            Subject::File(file) => file.describe(),
            Subject::Url(url) => url.describe(),
            Subject::Executable(executable) => executable.describe(),
            Subject::Aws(_) => "keys of AWS".to_owned(),
        };
        format!("workload identity federation, with {from}")
    }

    /// A token of the pool's own identity.
    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        let subject = match &self.subject {
            Subject::File(file) => file.token()?,
            Subject::Url(url) => url.token(context).await?,
            Subject::Executable(executable) => executable.token(context).await?,
            Subject::Aws(aws) => aws.token(context, &self.audience).await?,
        };
        let act = format!("exchange a token at {}", self.token_url);
        let scope = scopes.join(" ");
        let mut fields = vec![
            ("grant_type", GRANT),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", &self.audience),
            ("subject_token_type", &self.subject_type),
            ("subject_token", subject.expose()),
            ("scope", &scope),
        ];
        let options = self
            .user_project
            .as_ref()
            .map(|project| serde_json::json!({ "userProject": project }).to_string());
        if let (Some(options), None) = (&options, &self.client) {
            fields.push(("options", options));
        }
        let mut request = form(&act, &self.token_url, fields)?;
        if let Some((id, secret)) = &self.client {
            let login = Secret::new(format!("{id}:{}", secret.expose()));
            let value = format!("Basic {}", STANDARD.encode(login.expose()));
            let value = HeaderValue::try_from(value).map_err(|_| {
                TokenError::new(FailureCause::Configuration, &act).why("client_id is no text")
            })?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = ask(&context.client, &act, &request).await;
        let answer = answer.map_err(|error| match error.cause() {
            FailureCause::Refused => error.hint(format!(
                "check that the pool trusts this issuer, that its conditions let this subject in, that its token is fresh, and the clock of this host: {}",
                self.audience
            )),
            _ => error,
        })?;
        let mut grant = Grant::from_oauth(&act, &answer)?;
        grant.principal = Some(format!(
            "the federated identity of {}",
            pool(&self.audience)
        ));
        Ok(grant)
    }
}

impl Subject {
    fn read(
        fields: &Fields<'_>,
        audience: &str,
        kind: &str,
        target: Option<&Target>,
    ) -> Result<Self, TokenError> {
        let source = fields.inner("credential_source")?;
        let source =
            source.ok_or_else(|| unreadable(fields.origin, "has no \"credential_source\""))?;
        let environment = source.optional("environment_id");
        if environment.is_some_and(|id| id.starts_with("aws")) {
            return Aws::read(&source).map(Self::Aws);
        }
        if let Some(executable) = source.inner("executable")? {
            return Executable::read(&executable, audience, kind, target).map(Self::Executable);
        }
        if source.map.contains_key("file") {
            return FromFile::read(&source).map(Self::File);
        }
        if source.map.contains_key("url") {
            return FromUrl::read(&source).map(Self::Url);
        }
        let why = "has a \"credential_source\" that is neither file, url, executable nor aws";
        Err(unreadable(fields.origin, why))
    }
}

/// The account to act as, with the life that its tokens are asked for.
fn target(fields: &Fields<'_>) -> Result<Option<Target>, TokenError> {
    let Some(address) = fields.optional("service_account_impersonation_url") else {
        return Ok(None);
    };
    let settings = fields.inner("service_account_impersonation")?;
    let life = settings.and_then(|settings| settings.number("token_lifetime_seconds"));
    let target = Target::at(address, Vec::new(), life.map(Duration::from_secs));
    let why = "has a \"service_account_impersonation_url\" that names no account";
    target
        .map(Some)
        .ok_or_else(|| unreadable(fields.origin, why))
}

/// The pool in an audience.
fn pool(audience: &str) -> &str {
    let mut parts = audience
        .split('/')
        .skip_while(|part| !part.ends_with("Pools"));
    parts.nth(1).unwrap_or(audience)
}
