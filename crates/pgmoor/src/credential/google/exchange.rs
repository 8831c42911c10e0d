//! One question to one of Google's services, asked again when it has trouble of its own.

use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;

use crate::credential::{FailureCause, TokenError};
use crate::http::{Body, Client, HeaderValue, Request, Response, Uri, header, is_of_this_machine};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses before it is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];
/// A token that says nothing of its end is used no longer.
const USUAL_LIFE: Duration = Duration::from_secs(3_600);

/// What an exchange brings.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) token: Secret<String>,
    pub(super) expires_at: SystemTime,
    /// Whose it is, where that is known.
    pub(super) principal: Option<String>,
}

impl Grant {
    /// From the answer of an OAuth token endpoint.
    pub(super) fn from_oauth(act: &str, answer: &Response) -> Result<Self, TokenError> {
        let fields = object(act, answer)?;
        let token = fields.get("access_token").and_then(|value| value.as_str());
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(malformed(act, "it names no access_token"));
        };
        let life = fields.get("expires_in").and_then(|value| match value {
            serde_json::Value::Number(seconds) => seconds.as_u64(),
            serde_json::Value::String(seconds) => seconds.parse().ok(),
            _ => None,
        });
        let life = life.map_or(USUAL_LIFE, Duration::from_secs);
        Ok(Self {
            token: Secret::from(token),
            expires_at: SystemTime::now() + life.min(USUAL_LIFE * 12),
            principal: None,
        })
    }
}

/// Asks, and gives the answer when it is a success.
///
/// # Errors
/// There is no answer, or it is a refusal; what the service says of the reason is in it.
pub(super) async fn ask(
    client: &Client,
    act: &str,
    request: &Request,
) -> Result<Response, TokenError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match client.send(request.clone(), PATIENCE).await {
            Ok(answer) if answer.status().is_success() => return Ok(answer),
            Ok(answer) => TokenError::answered(act, &answer, reason(answer.body()).as_deref()),
            Err(error) => TokenError::unanswered(act, error),
        };
        let again = match error.cause() {
            FailureCause::Unavailable | FailureCause::Network => pauses.next(),
            _ => None,
        };
        match again {
            Some(pause) if error.retry_after().is_none() => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
    }
}

/// What a refusal says of its reason: OAuth and Google's APIs each have their form.
pub(crate) fn reason(body: &Body) -> Option<String> {
    let value: serde_json::Value = body.json().ok()?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let error = value.get("error")?;
    let (name, more) = match error {
        serde_json::Value::String(name) => (Some(name.clone()), value.get("error_description")),
        other => (other.get("status").and_then(text), other.get("message")),
    };
    let parts: Vec<String> = name.into_iter().chain(more.and_then(text)).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// The answer as a JSON object.
pub(super) fn object(
    act: &str,
    answer: &Response,
) -> Result<serde_json::Map<String, serde_json::Value>, TokenError> {
    let read = answer.body().json();
    read.map_err(|error| TokenError::new(FailureCause::Malformed, act).because(error))
}

pub(super) fn malformed(act: &str, why: &str) -> TokenError {
    TokenError::new(FailureCause::Malformed, act).why(why)
}

/// A form, as token endpoints take it.
pub(super) fn form<'a>(
    act: &str,
    address: &str,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Request, TokenError> {
    let mut request = Request::new(Body::form(fields));
    *request.method_mut() = crate::http::Method::POST;
    *request.uri_mut() = uri(act, address)?;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(request)
}

/// Adds `Authorization: Bearer`.
pub(super) fn authorize(request: &mut Request, token: &Secret<String>) -> Result<(), TokenError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| malformed("use a token", "it holds what no HTTP header may"))?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

/// An address that a secret may be sent to: by TLS, or on this host.
pub(crate) fn uri(act: &str, text: &str) -> Result<Uri, TokenError> {
    let uri = any_uri(act, text)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if is_https(&uri) || is_here {
        return Ok(uri);
    }
    let error = TokenError::new(FailureCause::Configuration, act);
    Err(error.why(format!("\"{text}\" is not https, and not on this host")))
}

/// An address that a credential file names to get something secret from: by TLS, or of this machine and
/// its metadata services, which nobody is in between of.
pub(super) fn near_uri(act: &str, text: &str) -> Result<Uri, TokenError> {
    let uri = any_uri(act, text)?;
    if is_https(&uri) || is_of_this_machine(uri.host().unwrap_or_default()) {
        return Ok(uri);
    }
    let error = TokenError::new(FailureCause::Configuration, act);
    Err(error
        .why(format!(
            "{} is neither https nor a metadata service of this machine",
            shown(text)
        ))
        .hint("write https:// in the credential file"))
}

/// An address that the environment names, whatever it is.
pub(super) fn any_uri(act: &str, text: &str) -> Result<Uri, TokenError> {
    text.parse().map_err(|_| {
        let error = TokenError::new(FailureCause::Configuration, act);
        error.why(format!("\"{}\" is no address", shown(text)))
    })
}

/// An address without its query, which may hold what is secret.
pub(super) fn shown(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_out_by_tls_or_to_this_host_only() {
        for (text, fine) in [
            ("https://oauth2.googleapis.com/token", true),
            ("http://127.0.0.1:8080/token", true),
            ("http://[::1]:8080/token", true),
            ("http://localhost/token", true),
            ("http://oauth2.googleapis.com/token", false),
            ("http://127.0.0.1.example.com/token", false),
            ("oauth2", false),
        ] {
            assert_eq!(uri("ask", text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn what_is_secret_is_got_by_tls_or_from_this_machine_only() {
        for (text, fine) in [
            ("https://token.example.com/subject", true),
            (
                "http://169.254.169.254/metadata/identity/oauth2/token",
                true,
            ),
            ("http://[fd00:ec2::254]/latest/api/token", true),
            ("http://metadata.google.internal/computeMetadata/v1", true),
            ("http://127.0.0.1:8080/subject", true),
            ("http://token.example.com/subject", false),
            ("http://10.0.0.7/subject", false),
            ("http://169.254.169.254.example.com/subject", false),
            ("ftp://token.example.com/subject", false),
            ("subject", false),
        ] {
            assert_eq!(near_uri("ask", text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn reason_of_a_refusal_is_read_in_both_forms() {
        let oauth = Body::from(r#"{"error":"invalid_grant","error_description":"Bad Request"}"#);
        let api =
            Body::from(r#"{"error":{"code":403,"message":"No.","status":"PERMISSION_DENIED"}}"#);
        assert_eq!(
            reason(&oauth).as_deref(),
            Some("invalid_grant: Bad Request")
        );
        assert_eq!(reason(&api).as_deref(), Some("PERMISSION_DENIED: No."));
        assert_eq!(reason(&Body::from("<html>")), None);
    }
}
