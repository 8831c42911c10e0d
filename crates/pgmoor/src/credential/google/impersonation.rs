//! Acting as another service account: `generateAccessToken` of IAM, by way of delegates.

use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;
use serde_json::json;

use super::Context;
use super::exchange::{Grant, ask, authorize, malformed, object, uri};
use crate::credential::{FailureCause, TokenError, moment};
use crate::http::{Body, HeaderName, HeaderValue, Method, Request, header};

const PREFIX: &str = "projects/-/serviceAccounts/";
/// What a header that counts calls to a project is called.
pub(crate) const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// A service account to act as, and those in between.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) email: String,
    /// Each may act as the next, and the last as the target.
    delegates: Vec<String>,
    address: String,
    life: Duration,
}

impl Target {
    /// From the address that a credential file names.
    pub(super) fn at(
        address: String,
        delegates: Vec<String>,
        life: Option<Duration>,
    ) -> Option<Self> {
        let (before, email) = address
            .strip_suffix(":generateAccessToken")?
            .rsplit_once('/')?;
        let fits = before.ends_with("serviceAccounts") && email.contains('@');
        let email = email.to_owned();
        fits.then(|| Self {
            email,
            delegates: delegates.iter().map(|one| bare(one).to_owned()).collect(),
            address,
            life: life.unwrap_or(Duration::from_secs(3_600)),
        })
    }

    /// From a chain of accounts, the target last.
    pub(super) fn of(chain: &[String], endpoint: &str) -> Option<Self> {
        let (target, delegates) = chain.split_last()?;
        let email = bare(target);
        let endpoint = endpoint.trim_end_matches('/');
        let address = format!("{endpoint}/v1/{PREFIX}{email}:generateAccessToken");
        Self::at(address, delegates.to_vec(), None)
    }

    /// Makes a token of the target from one of whoever may act as it.
    pub(super) async fn mint(
        &self,
        context: &Context,
        caller: &Grant,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        let act = format!("act as {}", self.email);
        let delegates: Vec<String> = self
            .delegates
            .iter()
            .map(|email| format!("{PREFIX}{email}"))
            .collect();
        let body = json!({
            "scope": scopes, "delegates": delegates, "lifetime": format!("{}s", self.life.as_secs()),
        });
        let mut request = Request::new(Body::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(&act, &self.address)?;
        let kind = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        context.count_quota(&mut request)?;
        authorize(&mut request, &caller.token)?;
        let answer = ask(&context.client, &act, &request)
            .await
            .map_err(|error| {
                if error.cause() != FailureCause::Refused {
                    return error;
                }
                let who = caller.principal.as_deref().unwrap_or("the identity found");
                let first = self.delegates.first().unwrap_or(&self.email);
                error.hint(format!(
                    "grant roles/iam.serviceAccountTokenCreator on {first} to {who}{}",
                    if self.delegates.is_empty() {
                        ""
                    } else {
                        ", and so on along the chain"
                    }
                ))
            })?;
        let fields = object(&act, &answer)?;
        let text = |name: &str| fields.get(name).and_then(|value| value.as_str());
        let token = text("accessToken").filter(|token| !token.is_empty());
        let ends: Option<SystemTime> = text("expireTime").and_then(moment::rfc3339);
        match (token, ends) {
            (Some(token), Some(expires_at)) => Ok(Grant {
                token: Secret::from(token),
                expires_at,
                principal: Some(self.email.clone()),
            }),
            _ => Err(malformed(
                &act,
                "it names no accessToken with an expireTime",
            )),
        }
    }
}

/// An account's e-mail, whichever way it is written.
fn bare(name: &str) -> &str {
    name.rsplit_once('/')
        .map_or(name, |(_, email)| email)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_a_chain_is_the_target_and_the_others_are_delegates() {
        let chain = [
            "b@p.iam.gserviceaccount.com",
            "projects/-/serviceAccounts/a@p.iam",
        ];
        let chain = chain.map(str::to_owned);
        let target = Target::of(&chain, "https://iamcredentials.googleapis.com/").expect("target");
        assert_eq!(target.email, "a@p.iam");
        assert_eq!(target.delegates, ["b@p.iam.gserviceaccount.com"]);
        assert_eq!(
            target.address,
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam:generateAccessToken"
        );
        assert!(Target::of(&[], "https://x").is_none());
    }
}
