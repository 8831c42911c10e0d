//! What issuers of Azure answer: a token with its end, or a reason.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgmoor_wire::Secret;
use serde::Deserialize;

use super::super::moment;
use super::super::token::{Claim, FailureCause, Token, TokenError};
use crate::http::{Body, Response};

/// What Entra, the metadata service and App Service answer; times are numbers or texts of digits.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_on: Option<Seconds>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
struct Denied {
    error: Option<serde_json::Value>,
    error_description: Option<String>,
}

impl Seconds {
    pub(super) fn value(&self) -> Option<i64> {
        match self {
            Self::Number(seconds) => Some(*seconds),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// The token of a good answer; `act` is what was tried.
pub(super) fn token(act: &str, body: &Body, now: SystemTime) -> Result<Token, TokenError> {
    let granted: Granted = body
        .json()
        .map_err(|error| TokenError::new(FailureCause::Malformed, act).because(error))?;
    let ends = granted
        .expires_on
        .and_then(|at| at.value())
        .and_then(moment::from_unix);
    let lasts = granted.expires_in.and_then(|left| left.value());
    let expires_at = ends.or_else(|| now.checked_add(Duration::from_secs(lasts?.try_into().ok()?)));
    of(act, granted.access_token, expires_at)
}

/// A token as such; its own word on its end counts where nobody else has one.
pub(super) fn of(
    act: &str,
    token: String,
    expires_at: Option<SystemTime>,
) -> Result<Token, TokenError> {
    let secret = Secret::new(token);
    let text = secret.expose();
    if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(
            TokenError::new(FailureCause::Malformed, act).why("the token is empty, or broken")
        );
    }
    let said = payload(text);
    let own_end = said.as_ref().and_then(|said| said["exp"].as_i64());
    let claims = said.map(|said| claims(&said)).unwrap_or_default();
    Ok(Token {
        expires_at: expires_at.or_else(|| moment::from_unix(own_end?)),
        secret,
        claims,
    })
}

/// What a JWT says. Nobody's word is taken for it: the server checks it.
fn payload(token: &str) -> Option<serde_json::Value> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn claims(said: &serde_json::Value) -> Vec<Claim> {
    const SHOWN: [(&str, &[&str]); 7] = [
        ("user", &["upn", "unique_name"]),
        ("application", &["appid", "azp"]),
        ("object", &["oid"]),
        ("tenant", &["tid"]),
        ("subject", &["sub"]),
        ("audience", &["aud"]),
        ("issuer", &["iss"]),
    ];
    let shown = SHOWN.iter().filter_map(|(name, keys)| {
        let value = keys.iter().find_map(|key| said[*key].as_str())?;
        Some(Claim::new(*name, value))
    });
    shown.collect()
}

/// Why there is no token, in the issuer's words, with what to do about it.
pub(super) fn denial(act: &str, answer: &Response) -> TokenError {
    let denied: Option<Denied> = answer.body().json().ok();
    let error = denied.as_ref().and_then(|denied| match &denied.error {
        Some(serde_json::Value::String(code)) => Some(code.clone()),
        Some(other) => other["code"].as_str().map(str::to_owned),
        None => None,
    });
    let description = denied.and_then(|denied| denied.error_description);
    // Trace and correlation ids follow on lines of their own.
    let first = description.as_deref().and_then(|text| text.lines().next());
    let said = match (&error, first) {
        (Some(error), Some(first)) => Some(format!("{error}: {first}")),
        (Some(one), None) => Some(one.clone()),
        (None, first) => first.map(str::to_owned),
    };
    let this = TokenError::answered(act, answer, said.as_deref());
    match said.as_deref().and_then(hint) {
        Some(hint) => this.hint(hint),
        None => this,
    }
}

/// What to do about the errors that people meet, by Entra's own numbers.
pub(super) fn hint(said: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 9] = [
        (
            "AADSTS7000215",
            "give the secret's value, not its id, and of this application",
        ),
        (
            "AADSTS7000222",
            "the secret has expired: make a new one for the application",
        ),
        (
            "AADSTS700016",
            "check \"client_id\" and that the application is in this tenant",
        ),
        ("AADSTS90002", "check \"tenant_id\", and the cloud"),
        (
            "AADSTS70021",
            "add a federated credential to the application whose issuer, subject and audience are those of the service account's token",
        ),
        (
            "AADSTS700213",
            "add a federated credential to the application whose subject is that of the service account's token",
        ),
        (
            "AADSTS700024",
            "the token in the federated token file is stale, or a clock is wrong",
        ),
        ("AADSTS700027", "upload this certificate to the application"),
        (
            "AADSTS500011",
            "check the cloud: this tenant does not know Azure Database for PostgreSQL",
        ),
    ];
    let identity = "assign the identity to this machine, or correct \"client_id\", \"object_id\" or \"resource_id\"";
    KNOWN
        .iter()
        .find(|(code, _)| said.contains(code))
        .map(|(_, hint)| *hint)
        .or_else(|| said.contains("Identity not found").then_some(identity))
}
