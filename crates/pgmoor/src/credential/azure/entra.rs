//! The Entra authority: an application proves itself and gets a token
//! (OAuth 2.0 client credentials, RFC 6749 section 4.4, assertions by RFC 7523).

use std::time::SystemTime;

use pgmoor_wire::Secret;

use super::plan::{Application, Proof};
use super::{TIMEOUT, answer, assertion};
use crate::credential::chain;
use crate::credential::token::{FailureCause, Token, TokenError};
use crate::http::{Body, Client, Method, Request, StatusCode, Uri, header};
use crate::secret_file;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// No federated token is longer.
const MAX_FEDERATED: u64 = 64 * 1024;

pub(super) async fn ask(client: &Client, application: &Application) -> Result<Token, TokenError> {
    let act = act(application);
    let endpoint = endpoint(application, &act)?;
    let (name, proof) = prove(application, &endpoint, &act).await?;
    let scope = format!("{}/.default", application.resource);
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", &application.client),
        ("scope", &scope),
        (name, proof.expose()),
    ];
    if name == "client_assertion" {
        fields.push(("client_assertion_type", JWT_BEARER));
    }
    let request = ::http::Request::builder()
        .method(Method::POST)
        .uri(endpoint)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(Body::form(fields));
    let request: Request = request.map_err(|error| wrong(&act, error.to_string()))?;
    let answer = client.send(request, TIMEOUT).await;
    let answer = answer.map_err(|error| TokenError::unanswered(&act, error))?;
    if answer.status() == StatusCode::OK {
        answer::token(&act, answer.body(), SystemTime::now())
    } else {
        Err(answer::denial(&act, &answer))
    }
}

fn act(application: &Application) -> String {
    let by = match &application.proof {
        Proof::Secret(_) => "its secret".to_owned(),
        Proof::Certificate(path) => format!("the certificate {}", path.display()),
        Proof::Federated(path) => format!("the federated token {}", path.display()),
    };
    format!(
        "get a token of tenant {} for client {} by {by}",
        application.tenant, application.client
    )
}

fn wrong(act: &str, why: impl Into<String>) -> TokenError {
    TokenError::new(FailureCause::Configuration, act).why(why)
}

/// Where the token is asked for. A proof goes to nobody in clear text but to this machine.
fn endpoint(application: &Application, act: &str) -> Result<Uri, TokenError> {
    let tenant = &application.tenant;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if tenant.is_empty() || !tenant.chars().all(is_plain) {
        let error = wrong(act, format!("{tenant:?} is no tenant"));
        return Err(error.hint("give the tenant's id (a UUID) or its domain"));
    }
    let text = format!("{}/{tenant}/oauth2/v2.0/token", application.authority);
    let uri: Uri = text.parse().map_err(|_| {
        wrong(
            act,
            format!("{} is no address of an authority", application.authority),
        )
    })?;
    let is_here = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here => Ok(uri),
        _ => Err(wrong(
            act,
            format!("the authority {} has no https", application.authority),
        )
        .hint("write https://HOST in \"azure.authority_host\" or AZURE_AUTHORITY_HOST")),
    }
}

/// The field that proves who we are, with its value.
async fn prove(
    application: &Application,
    endpoint: &Uri,
    act: &str,
) -> Result<(&'static str, Secret<String>), TokenError> {
    match &application.proof {
        Proof::Secret(secret) => {
            let secret = secret.read().map_err(|why| wrong(act, why))?;
            Ok(("client_secret", secret))
        }
        Proof::Certificate(path) => {
            let (path, client) = (path.clone(), application.client.clone());
            let audience = endpoint.to_string();
            // Reads a file, and computes for a millisecond.
            let signing = tokio::task::spawn_blocking(move || {
                assertion::sign(&path, &client, &audience, SystemTime::now())
            });
            let assertion = signing.await.unwrap_or_else(|error| Err(error.to_string()));
            let assertion = assertion.map_err(|why| {
                wrong(act, why).hint("give a PEM file with the certificate and its RSA private key, readable by nobody else")
            })?;
            Ok(("client_assertion", assertion))
        }
        Proof::Federated(path) => {
            let read = secret_file::read_foreign(path, MAX_FEDERATED);
            let token = read.map_err(|error| {
                wrong(act, chain(&error)).hint("is the service account's token mounted? The webhook does it for pods with the label azure.workload.identity/use: \"true\"")
            })?;
            let text = std::str::from_utf8(token.expose())
                .unwrap_or_default()
                .trim();
            if text.is_empty() {
                return Err(wrong(act, format!("{} holds no token", path.display())));
            }
            Ok(("client_assertion", Secret::new(text.to_owned())))
        }
    }
}
