//! A service account's key: an assertion signed with it is exchanged for a token.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgmoor_wire::Secret;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::exchange::{Grant, ask, form};
use super::fields::{Fields, unreadable};
use super::{Context, scope};
use crate::credential::{FailureCause, TokenError};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest life that Google allows an assertion, and how far back it begins: clocks differ.
const LIFE: u64 = 3_600;
const SLACK: u64 = 10;

/// A service account's key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) email: String,
    id: Option<String>,
    private: Secret<String>,
    token_uri: String,
    pub(super) universe: Option<String>,
    pub(super) quota_project: Option<String>,
}

impl Key {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, TokenError> {
        let universe = fields.optional("universe_domain");
        let domain = universe.as_deref().unwrap_or(scope::DEFAULT_UNIVERSE);
        let usual = || format!("https://oauth2.{domain}/token");
        let key = Self {
            email: fields.text("client_email")?,
            id: fields.optional("private_key_id"),
            private: fields.secret("private_key")?,
            token_uri: fields.optional("token_uri").unwrap_or_else(usual),
            quota_project: fields.optional("quota_project_id"),
            universe,
        };
        // Now, and not at the first login.
        key.pair().map_err(|why| unreadable(fields.origin, why))?;
        Ok(key)
    }

    fn pair(&self) -> Result<RsaKeyPair, &'static str> {
        let der = PrivateKeyDer::from_pem_slice(self.private.expose().as_bytes())
            .map_err(|_| "has a \"private_key\" that is no PEM key")?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err("has a \"private_key\" that is no RSA key"),
        };
        pair.map_err(|_| "has a \"private_key\" that is no usable RSA key")
    }

    /// Exchanges an assertion for a token.
    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        let act = format!("get a token for {} by its key", self.email);
        let assertion = self.assertion(scopes, SystemTime::now());
        let assertion =
            assertion.map_err(|why| TokenError::new(FailureCause::Configuration, &act).why(why))?;
        let fields = [("grant_type", GRANT), ("assertion", assertion.expose())];
        let request = form(&act, &self.token_uri, fields)?;
        let answer = ask(&context.client, &act, &request).await;
        let answer = answer.map_err(|error| match error.cause() {
            FailureCause::Refused => error.hint(
                "check that the key was not deleted and the account not disabled, and the clock of this host; better still, use no key: workload identity or the metadata server",
            ),
            _ => error,
        })?;
        let mut grant = Grant::from_oauth(&act, &answer)?;
        grant.principal = Some(self.email.clone());
        Ok(grant)
    }

    /// The signed assertion.
    fn assertion(&self, scopes: &[&str], now: SystemTime) -> Result<Secret<String>, &'static str> {
        let since = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| "the clock is before 1970")?;
        let issued = since.as_secs().saturating_sub(SLACK);
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email, "scope": scopes.join(" "), "aud": self.token_uri,
            "iat": issued, "exp": issued + LIFE,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let pair = self.pair()?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_| "the key does not sign")?;
        Ok(Secret::new(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}
