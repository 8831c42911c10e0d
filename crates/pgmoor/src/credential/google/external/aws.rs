//! A proof to be somebody at AWS: a signed request that Google sends there and reads the answer of.

use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;
use serde_json::json;

use super::super::Context;
use super::super::exchange::{ask, near_uri, object};
use super::super::fields::{Fields, unreadable};
use super::sigv4::{Keys, sign};
use crate::credential::{FailureCause, TokenError};
use crate::http::{Body, HeaderValue, Method, Request, Response};

/// Where region and keys are got from, when the environment has none.
#[derive(Debug)]
pub(super) struct Aws {
    region_url: Option<String>,
    keys_url: Option<String>,
    session_url: Option<String>,
    verification_url: String,
}

impl Aws {
    pub(super) fn read(source: &Fields<'_>) -> Result<Self, TokenError> {
        if source.optional("environment_id").as_deref() != Some("aws1") {
            let why = "has an \"environment_id\" other than aws1, which is all that is known";
            return Err(unreadable(source.origin, why));
        }
        Ok(Self {
            region_url: source.optional("region_url"),
            keys_url: source.optional("url"),
            session_url: source.optional("imdsv2_session_token_url"),
            verification_url: source.text("regional_cred_verification_url")?,
        })
    }

    pub(super) async fn token(
        &self,
        context: &Context,
        audience: &str,
    ) -> Result<Secret<String>, TokenError> {
        let known = Self::from_environment(context);
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let region = region.into_iter().find_map(|name| context.variable(name));
        let session = match (&self.session_url, &known, &region) {
            (Some(url), None, _) | (Some(url), _, None) => Some(begin(context, url).await?),
            _ => None,
        };
        let region = match region {
            Some(region) => region,
            None => self.ask_region(context, session.as_ref()).await?,
        };
        let keys = match known {
            Some(keys) => keys,
            None => self.ask_keys(context, session.as_ref()).await?,
        };
        let url = self.verification_url.replace("{region}", &region);
        let bad = || {
            let error = TokenError::new(FailureCause::Configuration, "sign for AWS");
            error.why("regional_cred_verification_url is not https with a query")
        };
        let rest = url.strip_prefix("https://").ok_or_else(bad)?;
        let (host, query) = rest.split_once('?').ok_or_else(bad)?;
        let host = host.trim_end_matches('/');
        let meant = [("x-goog-cloud-target-resource", audience)];
        let headers = sign(&keys, &region, host, query, &meant, SystemTime::now());
        let headers: Vec<serde_json::Value> = headers
            .iter()
            .map(|(key, value)| json!({ "key": key, "value": value.expose() }))
            .collect();
        let signed =
            Secret::new(json!({ "url": url, "method": "POST", "headers": headers }).to_string());
        Ok(Secret::new(
            utf8_percent_encode(signed.expose(), NON_ALPHANUMERIC).to_string(),
        ))
    }

    fn from_environment(context: &Context) -> Option<Keys> {
        Some(Keys {
            id: context.variable("AWS_ACCESS_KEY_ID")?,
            secret: context
                .variable("AWS_SECRET_ACCESS_KEY")
                .map(Secret::from)?,
            session: context.variable("AWS_SESSION_TOKEN").map(Secret::from),
        })
    }

    async fn ask_region(
        &self,
        context: &Context,
        session: Option<&HeaderValue>,
    ) -> Result<String, TokenError> {
        let act = "find the region at AWS";
        let missing = || {
            let error = TokenError::new(FailureCause::Configuration, act);
            error
                .why("neither AWS_REGION nor region_url is given")
                .hint("set AWS_REGION")
        };
        let url = self.region_url.as_ref().ok_or_else(missing)?;
        let answer = get(context, act, url, session).await?;
        // An availability zone: the region, and a letter.
        let zone = answer.body().as_str().unwrap_or_default().trim();
        let region = zone
            .strip_suffix(|c: char| c.is_ascii_lowercase())
            .unwrap_or(zone);
        if region.is_empty() || region.len() > 64 {
            return Err(TokenError::new(FailureCause::Malformed, act).why("it names no zone"));
        }
        Ok(region.to_owned())
    }

    async fn ask_keys(
        &self,
        context: &Context,
        session: Option<&HeaderValue>,
    ) -> Result<Keys, TokenError> {
        let act = "get keys from AWS";
        let missing = || {
            let error = TokenError::new(FailureCause::Configuration, act);
            error
                .why("neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor a url are given")
                .hint("make the credential file anew with gcloud iam workload-identity-pools create-cred-config --aws")
        };
        let url = self
            .keys_url
            .as_ref()
            .ok_or_else(missing)?
            .trim_end_matches('/');
        let answer = get(context, act, url, session).await?;
        let role = answer.body().as_str().unwrap_or_default().trim().to_owned();
        let answer = get(context, act, &format!("{url}/{role}"), session).await?;
        let fields = object(act, &answer)?;
        let text = |name: &str| fields.get(name).and_then(|value| value.as_str());
        match (text("AccessKeyId"), text("SecretAccessKey")) {
            (Some(id), Some(secret)) => Ok(Keys {
                id: id.to_owned(),
                secret: Secret::from(secret),
                session: text("Token").map(Secret::from),
            }),
            _ => Err(TokenError::new(FailureCause::Malformed, act).why("it names no keys")),
        }
    }
}

/// Begins a session with the metadata server of AWS.
async fn begin(context: &Context, url: &str) -> Result<HeaderValue, TokenError> {
    let act = "begin a session with the metadata server of AWS";
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = near_uri(act, url)?;
    let ttl = HeaderValue::from_static("300");
    request
        .headers_mut()
        .insert("x-aws-ec2-metadata-token-ttl-seconds", ttl);
    let answer = ask(&context.client, act, &request).await?;
    let mut value = HeaderValue::try_from(answer.body().as_bytes())
        .map_err(|_| TokenError::new(FailureCause::Malformed, act).why("it is no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn get(
    context: &Context,
    act: &str,
    url: &str,
    session: Option<&HeaderValue>,
) -> Result<Response, TokenError> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = near_uri(act, url)?;
    if let Some(session) = session {
        request
            .headers_mut()
            .insert("x-aws-ec2-metadata-token", session.clone());
    }
    ask(&context.client, act, &request).await
}
