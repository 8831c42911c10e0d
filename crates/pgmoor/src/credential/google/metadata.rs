//! The metadata server of a machine at Google, of a pod with workload identity, and of Cloud Run.

use std::time::Duration;

use super::Context;
use super::exchange::{Grant, any_uri, ask};
use crate::credential::{FailureCause, TokenError};
use crate::http::{Body, HeaderName, HeaderValue, Request};

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// How long it is waited for the first word of something that may not be there.
const PING: Duration = Duration::from_secs(3);
const USUAL_HOST: &str = "metadata.google.internal";

/// A metadata server.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    host: String,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) cause: FailureCause,
    pub(super) why: String,
}

impl Metadata {
    /// Looks for one.
    pub(super) async fn find(context: &Context) -> Result<Self, Absent> {
        if let Some(host) = context.variable("GCE_METADATA_HOST") {
            return Ok(Self { host });
        }
        let absent = |cause, why: String| Absent { cause, why };
        if context
            .variable("NO_GCE_CHECK")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            let why = "NO_GCE_CHECK is set".to_owned();
            return Err(absent(FailureCause::Configuration, why));
        }
        let this = Self {
            host: USUAL_HOST.to_owned(),
        };
        let request = this
            .request("")
            .map_err(|error| absent(error.cause(), error.to_string()))?;
        match context.direct.send(request, PING).await {
            Ok(answer)
                if answer
                    .headers()
                    .get(FLAVOR)
                    .is_some_and(|value| value == "Google") =>
            {
                Ok(this)
            }
            Ok(_) => {
                let why = format!("{USUAL_HOST} is somebody else here");
                Err(absent(FailureCause::Configuration, why))
            }
            // It may be there all the same: a pod's starts after the pod.
            Err(error) => {
                let cause = TokenError::unanswered("ask", error).cause();
                let why = format!(
                    "{USUAL_HOST} does not answer: this is no machine of Google's, or the network keeps it away"
                );
                Err(absent(cause, why))
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        format!("metadata server at {}", self.host)
    }

    /// A token of the machine's account.
    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        let act = format!("get a token from the {}", self.describe());
        let path = format!(
            "instance/service-accounts/default/token?scopes={}",
            scopes.join(",")
        );
        let answer = ask(&context.direct, &act, &self.request(&path)?).await;
        let answer = answer.map_err(|error| match error.cause() {
            FailureCause::Refused => error.hint(
                "attach a service account to this machine, with the access scope cloud-platform; on Kubernetes, annotate the pod's service account with iam.gke.io/gcp-service-account",
            ),
            _ => error,
        })?;
        if answer
            .headers()
            .get(FLAVOR)
            .is_none_or(|value| value != "Google")
        {
            let error = TokenError::new(FailureCause::Malformed, &act);
            return Err(error.why("the answer does not say that it is Google's"));
        }
        let mut grant = Grant::from_oauth(&act, &answer)?;
        grant.principal = self
            .text(context, "instance/service-accounts/default/email")
            .await;
        Ok(grant)
    }

    /// The universe that the machine is in, where it tells.
    pub(super) async fn universe(&self, context: &Context) -> Option<String> {
        self.text(context, "universe/universe-domain").await
    }

    /// Something that is nice to know.
    async fn text(&self, context: &Context, path: &str) -> Option<String> {
        let answer = context
            .direct
            .send(self.request(path).ok()?, PING)
            .await
            .ok()?;
        let text = answer.body().as_str()?.trim().to_owned();
        (answer.status().is_success() && !text.is_empty() && text.len() < 256).then_some(text)
    }

    fn request(&self, path: &str) -> Result<Request, TokenError> {
        let address = format!("http://{}/computeMetadata/v1/{path}", self.host);
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = any_uri("ask the metadata server", &address)?;
        request
            .headers_mut()
            .insert(FLAVOR, HeaderValue::from_static("Google"));
        Ok(request)
    }
}
