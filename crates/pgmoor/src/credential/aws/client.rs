//! Our HTTP client in the place of the one that `aws-config` would bring, and what it saw last.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use super::super::token::TokenError;
use crate::http::{Body, Client, HttpError, Response};

/// For services that set no limits of their own.
const CONNECT: Duration = Duration::from_secs(3);
const READ: Duration = Duration::from_secs(7);

/// What one search for credentials asks services by.
#[derive(Clone)]
pub(super) struct Asking {
    client: Client,
    last: Arc<Mutex<Option<TokenError>>>,
}

impl Asking {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            last: Arc::default(),
        }
    }

    /// Why the last exchange gave nothing, unless it did.
    pub(super) fn last_failure(&self) -> Option<TokenError> {
        self.last().clone()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<TokenError>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(
        self,
        request: HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, ConnectorError> {
        let other = |problem: &str| ConnectorError::other(problem.into(), None);
        let request = request.try_into_http1x();
        let request = request.map_err(|_| other("the request is no HTTP"))?;
        let (parts, body) = request.into_parts();
        let bytes = body
            .bytes()
            .ok_or_else(|| other("the request has no whole body"))?;
        let body = Body::from(bytes.to_vec());
        let request = crate::http::Request::from_parts(parts, body);
        let answer = self.client.send(request, timeout).await;
        *self.last() = match &answer {
            Ok(answer) => refusal(answer),
            Err(error) => Some(TokenError::unanswered("ask AWS", error.clone())),
        };
        let answer = answer.map_err(unanswered)?;
        let (parts, body) = answer.into_parts();
        let body = SdkBody::from(body.as_bytes());
        let answer = ::http::Response::from_parts(parts, body);
        answer
            .try_into()
            .map_err(|_| other("the answer is no HTTP"))
    }
}

fn unanswered(error: HttpError) -> ConnectorError {
    if error.kind() == crate::error::ErrorKind::Timeout {
        ConnectorError::timeout(Box::new(error))
    } else {
        ConnectorError::io(Box::new(error))
    }
}

/// What an answer refuses, with the code and message that it gives as the reason.
fn refusal(answer: &Response) -> Option<TokenError> {
    if answer.status().is_success() {
        return None;
    }
    let said = answer.body().as_str().and_then(reason);
    let error = TokenError::answered("ask AWS", answer, said.as_deref());
    Some(match said.is_some_and(|said| is_about_time(&said)) {
        true => error.hint("correct the clock of this host: AWS takes requests that are dated up to 15 minutes off"),
        false => error,
    })
}

/// Whether a request was refused for the time that it was signed at.
fn is_about_time(said: &str) -> bool {
    [
        "Signature expired",
        "Signature not yet current",
        "RequestExpired",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// `Code: Message` of an error in XML (STS) or JSON (container endpoints). Nothing else of a body is
/// repeated.
fn reason(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Json {
        #[serde(alias = "Code")]
        code: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.to_owned())
    };
    let (code, message) = match serde_json::from_str::<Json>(body) {
        Ok(json) => (json.code, json.message),
        Err(_) => (element("Code"), element("Message")),
    };
    match (code, message) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    }
}

impl HttpClient for Asking {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connect = settings.connect_timeout().unwrap_or(CONNECT);
        let read = settings.read_timeout().unwrap_or(READ);
        SharedHttpConnector::new(Connector {
            asking: self.clone(),
            timeout: connect + read,
        })
    }
}

#[derive(Debug)]
struct Connector {
    asking: Asking,
    timeout: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.asking.clone().exchange(request, self.timeout))
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_read_from_xml_and_json_and_nothing_else_is_repeated() {
        let xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>";
        assert_eq!(reason(xml).as_deref(), Some("AccessDenied: Not authorized"));
        let json =
            r#"{"code":"AccessDeniedException","message":"no association","token":"geheim"}"#;
        assert_eq!(
            reason(json).as_deref(),
            Some("AccessDeniedException: no association")
        );
        assert_eq!(reason("geheim"), None);
    }
}
