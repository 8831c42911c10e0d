//! The SQL Admin API, as far as connecting needs it.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;
use serde_json::json;

use super::name::{GoogName, InstanceName};
use super::schedule::pause;
use super::settings::{Answer, Certificate, Settings};
use crate::credential::google::{QUOTA_PROJECT, reason};
use crate::credential::{FailureCause, TokenError};
use crate::http::{Body, Client, HeaderValue, Method, Request, Response, StatusCode, header};

/// How often a question is asked when the API has trouble of its own.
const TRIES: u32 = 5;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(15);

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':');

/// The API, with somebody who may ask it.
pub(super) struct Api<'a> {
    pub(super) client: &'a Client,
    /// `https://sqladmin.googleapis.com`, or another universe's.
    pub(super) base: &'a str,
    pub(super) token: &'a Secret<String>,
    pub(super) quota_project: Option<&'a str>,
}

impl Api<'_> {
    /// What is to be known of an instance.
    pub(super) async fn settings(&self, instance: &InstanceName) -> Result<Settings, TokenError> {
        let act = format!("read the settings of Cloud SQL instance {instance}");
        let path = format!("{}/connectSettings", path(instance));
        let answer = self.ask(&act, Method::GET, &path, Body::empty()).await?;
        let answer: Answer = read(&act, &answer)?;
        Settings::of(instance, answer)
    }

    /// A certificate for a key: that of the bearer of `login`, who then needs no password.
    pub(super) async fn certificate(
        &self,
        instance: &InstanceName,
        public_key: &str,
        login: Option<&Secret<String>>,
    ) -> Result<String, TokenError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            ephemeral_cert: Certificate,
        }
        let act = format!("get a certificate for Cloud SQL instance {instance}");
        // These two names are in snake case, unlike all others of this API.
        let mut body = json!({ "public_key": public_key });
        if let Some(login) = login {
            body["access_token"] = json!(login.expose());
        }
        let path = format!("{}:generateEphemeralCert", path(instance));
        let answer = self
            .ask(&act, Method::POST, &path, Body::from(body.to_string()))
            .await?;
        read::<Answer>(&act, &answer).map(|answer| answer.ephemeral_cert.cert)
    }

    /// The instance that a name of Google's leads to.
    pub(super) async fn resolve(&self, goog: &GoogName) -> Result<InstanceName, TokenError> {
        let act = format!("find the Cloud SQL instance of {}", goog.name);
        let name = utf8_percent_encode(&goog.name, SEGMENT);
        let path = format!(
            "locations/{}/dns/{name}.:resolveConnectSettings",
            goog.region
        );
        let answer = self.ask(&act, Method::GET, &path, Body::empty()).await?;
        let answer: Answer = read(&act, &answer)?;
        let name = answer.connection_name.unwrap_or_default();
        let malformed = TokenError::new(FailureCause::Malformed, &act);
        name.parse()
            .map_err(|error: super::BadInstanceName| malformed.because(error))
    }

    async fn ask(
        &self,
        act: &str,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Response, TokenError> {
        let request = self.request(act, method, path, body)?;
        let mut failures = 0;
        loop {
            let error = match self.client.send(request.clone(), PATIENCE).await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => refusal(act, &answer),
                Err(error) => TokenError::unanswered(act, error),
            };
            failures += 1;
            if error.cause() != FailureCause::Unavailable || failures == TRIES {
                return Err(error);
            }
            let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
            tokio::time::sleep(pause(failures - 1, random)).await;
        }
    }

    fn request(
        &self,
        act: &str,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Request, TokenError> {
        let wrong = |why: &str| TokenError::new(FailureCause::Configuration, act).why(why);
        let address = format!("{}/sql/v1beta4/{path}", self.base.trim_end_matches('/'));
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = crate::credential::google::secure_uri(act, &address)?;
        let headers = request.headers_mut();
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.token.expose()))
            .map_err(|_| wrong("the token cannot stand in a header"))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(project) = self.quota_project {
            let project = HeaderValue::try_from(project)
                .map_err(|_| wrong("the quota project cannot stand in a header"))?;
            headers.insert(QUOTA_PROJECT, project);
        }
        Ok(request)
    }
}

fn path(instance: &InstanceName) -> String {
    let project = utf8_percent_encode(&instance.project, SEGMENT);
    let name = utf8_percent_encode(&instance.name, SEGMENT);
    format!("projects/{project}/instances/{name}")
}

fn read<T: serde::de::DeserializeOwned>(act: &str, answer: &Response) -> Result<T, TokenError> {
    let read = answer.body().json();
    read.map_err(|error| TokenError::new(FailureCause::Malformed, act).because(error))
}

fn refusal(act: &str, answer: &Response) -> TokenError {
    let said = reason(answer.body());
    let error = TokenError::answered(act, answer, said.as_deref());
    let hint = match answer.status() {
        StatusCode::BAD_REQUEST => {
            "check that cloudsql.iam_authentication is on at the instance, and that the identity's tokens may have the scope sqlservice.login"
        }
        StatusCode::UNAUTHORIZED => {
            "the token is not taken: look at the identity with pgmoor login test"
        }
        StatusCode::FORBIDDEN => {
            "grant the identity roles/cloudsql.client in the instance's project, enable the SQL Admin API there, and check the instance's name; with a quota project, also roles/serviceusage.serviceUsageConsumer"
        }
        StatusCode::NOT_FOUND => "check project and name of the instance",
        _ => return error,
    };
    error.hint(hint)
}
