//! HashiCorp Vault's HTTP API, as far as a login needs it.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::token::{FailureCause, TokenError};
use crate::http::{
    Body, Client, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
};

/// How long one request may take: a plugin may have to make a user first.
const TIMEOUT: Duration = Duration::from_secs(20);

/// All that may stand in a path, slashes of nested mounts included.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Vault, and how it is reached.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// Without a slash at the end.
    base: String,
    namespace: Option<String>,
}

/// A token that was granted.
#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: String,
    /// In seconds; 0 where it does not end.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    #[serde(default)]
    pub(super) policies: Vec<String>,
}

/// What is told of a token.
#[derive(Deserialize)]
pub(super) struct About {
    /// In seconds; 0 where it does not end.
    #[serde(default)]
    pub(super) ttl: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    #[serde(default)]
    pub(super) policies: Vec<String>,
}

/// A user and a password, and how long they are good.
#[derive(Deserialize)]
pub(super) struct Issued {
    #[serde(default)]
    pub(super) lease_id: String,
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    pub(super) data: Login,
}

/// The user and the password themselves.
#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
    /// Seconds until a static role's password is rotated.
    pub(super) ttl: Option<u64>,
}

/// A lease that was renewed.
#[derive(Deserialize)]
pub(super) struct Renewed {
    /// In seconds.
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

#[derive(Deserialize)]
struct Granted {
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Told {
    data: About,
}

impl Api {
    pub(super) fn new(client: Client, base: &str, namespace: Option<String>) -> Self {
        Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            namespace: namespace.filter(|namespace| !namespace.is_empty()),
        }
    }

    /// Logs in at an auth method.
    pub(super) async fn log_in(
        &self,
        act: &str,
        mount: &str,
        fields: &Value,
    ) -> Result<Auth, TokenError> {
        let path = format!("auth/{}/login", trimmed(mount));
        let answer: Granted = self
            .ask(act, Method::POST, &path, None, Some(fields))
            .await?;
        granted(act, answer)
    }

    /// Prolongs a token.
    pub(super) async fn renew_self(&self, token: &Secret<String>) -> Result<Auth, TokenError> {
        let act = "renew the Vault token";
        let path = "auth/token/renew-self";
        let nothing = json!({});
        let answer = self.ask(act, Method::POST, path, Some(token), Some(&nothing));
        granted(act, answer.await?)
    }

    /// What Vault knows of a token.
    pub(super) async fn look_up_self(&self, token: &Secret<String>) -> Result<About, TokenError> {
        let act = "look up the Vault token";
        let path = "auth/token/lookup-self";
        let told: Told = self.ask(act, Method::GET, path, Some(token), None).await?;
        Ok(told.data)
    }

    /// A user and password of a database role; `kind` is `creds` or `static-creds`.
    pub(super) async fn credentials(
        &self,
        act: &str,
        token: &Secret<String>,
        mount: &str,
        kind: &str,
        role: &str,
    ) -> Result<Issued, TokenError> {
        let path = format!("{}/{kind}/{role}", trimmed(mount));
        self.ask(act, Method::GET, &path, Some(token), None).await
    }

    /// Prolongs a lease by so many seconds from now; Vault may grant less.
    pub(super) async fn renew(
        &self,
        token: &Secret<String>,
        lease: &str,
        seconds: u64,
    ) -> Result<Renewed, TokenError> {
        let act = format!("renew the Vault lease {lease}");
        let fields = json!({ "lease_id": lease, "increment": seconds });
        let path = "sys/leases/renew";
        self.ask(&act, Method::PUT, path, Some(token), Some(&fields))
            .await
    }

    /// Ends a lease: its user is dropped when this returns.
    pub(super) async fn revoke(
        &self,
        token: &Secret<String>,
        lease: &str,
    ) -> Result<(), TokenError> {
        let act = format!("revoke the Vault lease {lease}");
        let fields = json!({ "lease_id": lease, "sync": true });
        let path = "sys/leases/revoke";
        let answer = self.send(&act, Method::PUT, path, Some(token), Some(&fields));
        match answer.await {
            Ok(_) => Ok(()),
            Err(error) if error.cause() == FailureCause::Refused => {
                Err(error.hint("allow update on sys/leases/revoke in the token's policy"))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a token, and with it all that was leased by it.
    pub(super) async fn revoke_self(&self, token: &Secret<String>) -> Result<(), TokenError> {
        let act = "revoke the Vault token";
        let path = "auth/token/revoke-self";
        let nothing = json!({});
        self.send(act, Method::POST, path, Some(token), Some(&nothing))
            .await?;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        act: &str,
        method: Method,
        path: &str,
        token: Option<&Secret<String>>,
        fields: Option<&Value>,
    ) -> Result<T, TokenError> {
        let answer = self.send(act, method, path, token, fields).await?;
        let read = answer.body().json();
        read.map_err(|error| TokenError::new(FailureCause::Malformed, act).because(error))
    }

    /// Sends a question, and gives the answer when it is a success.
    async fn send(
        &self,
        act: &str,
        method: Method,
        path: &str,
        token: Option<&Secret<String>>,
        fields: Option<&Value>,
    ) -> Result<Response, TokenError> {
        let mut request = Request::new(match fields {
            Some(fields) => Body::from(fields.to_string()),
            None => Body::empty(),
        });
        *request.method_mut() = method;
        *request.uri_mut() = self.address(act, path)?;
        let headers = request.headers_mut();
        let mut add = |name: &'static str, value: &str, is_secret: bool| {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                let error = TokenError::new(FailureCause::Configuration, act);
                error.why(format!(
                    "what is given for the header {name} cannot stand in one"
                ))
            })?;
            value.set_sensitive(is_secret);
            headers.insert(HeaderName::from_static(name), value);
            Ok::<_, TokenError>(())
        };
        // Vault's agent may be told to refuse what has not this header.
        add("x-vault-request", "true", false)?;
        if let Some(token) = token {
            add("x-vault-token", token.expose(), true)?;
        }
        if let Some(namespace) = &self.namespace {
            add("x-vault-namespace", namespace, false)?;
        }
        if fields.is_some() {
            add("content-type", "application/json", false)?;
        }
        let answer = self.client.send(request, TIMEOUT).await;
        let answer = answer.map_err(|error| TokenError::unanswered(act, error))?;
        if !answer.status().is_success() {
            return Err(refusal(act, &answer));
        }
        Ok(answer)
    }

    /// A token goes to nobody in clear text but to this machine.
    fn address(&self, act: &str, path: &str) -> Result<Uri, TokenError> {
        let wrong = |why: String| TokenError::new(FailureCause::Configuration, act).why(why);
        let text = format!("{}/v1/{}", self.base, utf8_percent_encode(path, PATH));
        let uri: Uri = text
            .parse()
            .map_err(|_| wrong(format!("\"{}\" is no address of a Vault", self.base)))?;
        let is_here = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        match uri.scheme_str() {
            Some("https") => Ok(uri),
            Some("http") if is_here => Ok(uri),
            _ => Err(wrong(format!("the address \"{}\" has no https", self.base))
                .hint("write https://HOST:8200 in \"vault.address\" or VAULT_ADDR, or run Vault's agent on this machine")),
        }
    }
}

fn trimmed(mount: &str) -> &str {
    mount.trim_matches('/')
}

fn granted(act: &str, answer: Granted) -> Result<Auth, TokenError> {
    let missing = || TokenError::new(FailureCause::Malformed, act).why("the answer has no token");
    let auth = answer.auth.ok_or_else(missing)?;
    if auth.client_token.is_empty() {
        return Err(missing());
    }
    Ok(auth)
}

/// Why Vault said no, in its words, with what to do about it.
fn refusal(act: &str, answer: &Response) -> TokenError {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<String>,
    }
    let said: Option<Errors> = answer.body().json().ok();
    let said = said.map(|said| said.errors.join("; ").replace(['\n', '\t'], " "));
    let error = TokenError::answered(act, answer, said.as_deref());
    let said = said.unwrap_or_default();
    let hint = match answer.status() {
        StatusCode::FORBIDDEN => {
            "check that the token's policy allows read on the database role's path and update on sys/leases/renew, and the namespace"
        }
        StatusCode::NOT_FOUND => "check \"vault.mount\", the role and the namespace",
        StatusCode::SERVICE_UNAVAILABLE if said.contains("sealed") => "unseal Vault",
        status if status.is_redirection() => {
            "this is a standby that sends elsewhere: give the address of the active Vault, or of its load balancer"
        }
        StatusCode::BAD_REQUEST if said.contains("role or secret") => {
            "check \"vault.role_id\" and \"vault.secret_id\": a secret id ends, or may be used only so often"
        }
        StatusCode::BAD_REQUEST if said.contains("unknown role") => "check \"vault.role\"",
        _ => return error,
    };
    error.hint(hint)
}
