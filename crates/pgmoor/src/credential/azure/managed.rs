//! Managed identities: the instance metadata service, App Service (and Container Apps, Functions), Arc.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;

use super::plan::{Host, Managed, Who};
use super::{Miss, TIMEOUT, answer};
use crate::credential::token::{FailureCause, Token, TokenError};
use crate::http::{Body, Client, HttpError, Request, Response, StatusCode, header, retry_after};
use crate::secret_file;

/// Where Arc's agent keeps the keys that it challenges its callers for.
pub(super) const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";
/// No key of Arc's is longer (4 KiB by its documentation).
const MAX_ARC_KEY: u64 = 4096;
/// How long a service may be silent that nobody said is there.
const GLANCE: Duration = Duration::from_secs(2);
/// Waits before the service is asked again that says that it is not ready.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

pub(super) async fn ask(
    client: &Client,
    managed: &Managed,
    arc_keys: &Path,
) -> Result<Token, Miss> {
    // They answer for this machine, whatever address the environment has for them.
    let client = &client.direct();
    match &managed.host {
        Host::Instance { base } => instance(client, managed, base).await,
        Host::AppService { endpoint, header } => {
            Ok(app_service(client, managed, endpoint, header).await?)
        }
        Host::Arc { endpoint } => Ok(arc(client, managed, endpoint, arc_keys).await?),
    }
}

async fn instance(client: &Client, managed: &Managed, base: &str) -> Result<Token, Miss> {
    let act = "get a token of the managed identity from the instance metadata service";
    let identity = match &managed.who {
        Who::System => None,
        Who::Client(id) => Some(("client_id", id)),
        Who::Object(id) => Some(("object_id", id)),
        Who::Resource(id) => Some(("msi_res_id", id)),
    };
    let path = format!("{base}/metadata/identity/oauth2/token");
    let address = address(&path, "2018-02-01", &managed.resource, identity);
    let mut pauses = PAUSES.into_iter();
    let mut timeout = if managed.is_guess { GLANCE } else { TIMEOUT };
    loop {
        let request = request(act, &address, &[("Metadata", "true")])?;
        let answer = match client.send(request, timeout).await {
            Err(error) if managed.is_guess && error.is_unreached() => {
                let why = format!("no metadata service answers: {}", because(&error));
                return Err(Miss::Silent(
                    why,
                    TokenError::unanswered(act, error).cause(),
                ));
            }
            Err(error) => return Err(TokenError::unanswered(act, error).into()),
            Ok(answer) => answer,
        };
        // It is there: from here on it gets its time.
        timeout = TIMEOUT;
        if is_not_ready(answer.status()) {
            match pauses.next() {
                Some(pause) if retry_after(&answer, SystemTime::now()).is_none() => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                // Who asks for renewals asks again soon, or when the service says.
                _ => return Err(answer::denial(act, &answer).passing().into()),
            }
        }
        if managed.is_guess && has_no_identity(&answer) {
            return Err(Miss::NotThere(
                "the instance has no managed identity".to_owned(),
            ));
        }
        return Ok(granted(act, &answer)?);
    }
}

/// By its documentation these pass: it starts, it is throttled, it is being updated.
fn is_not_ready(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 410 | 429 | 500..=599)
}

/// A machine without any identity says so with 400 and `Identity not found`.
fn has_no_identity(answer: &Response) -> bool {
    let text = answer.body().as_str().unwrap_or_default();
    answer.status() == StatusCode::BAD_REQUEST && text.contains("Identity not found")
}

async fn app_service(
    client: &Client,
    managed: &Managed,
    endpoint: &str,
    secret: &Secret<String>,
) -> Result<Token, TokenError> {
    let act = "get a token of the managed identity from App Service";
    let identity = match &managed.who {
        Who::System => None,
        Who::Client(id) => Some(("client_id", id)),
        Who::Object(id) => Some(("principal_id", id)),
        Who::Resource(id) => Some(("mi_res_id", id)),
    };
    let address = address(endpoint, "2019-08-01", &managed.resource, identity);
    let request = request(act, &address, &[("X-IDENTITY-HEADER", secret.expose())])?;
    let answer = client.send(request, TIMEOUT).await;
    granted(
        act,
        &answer.map_err(|error| TokenError::unanswered(act, error))?,
    )
}

/// The agent answers with the name of a file that only its group can read, and wants its content.
async fn arc(
    client: &Client,
    managed: &Managed,
    endpoint: &str,
    keys: &Path,
) -> Result<Token, TokenError> {
    let act = "get a token of the managed identity from Arc's agent";
    let wrong = |why: String| TokenError::new(FailureCause::Configuration, act).why(why);
    if !matches!(managed.who, Who::System) {
        return Err(wrong("an Arc server has one identity, its own".to_owned())
            .hint("remove \"client_id\", \"object_id\" and \"resource_id\""));
    }
    let address = address(endpoint, "2020-06-01", &managed.resource, None);
    let send = async |headers: &[(&str, &str)]| {
        let answer = client.send(request(act, &address, headers)?, TIMEOUT).await;
        answer.map_err(|error| TokenError::unanswered(act, error))
    };
    let challenge = send(&[("Metadata", "true")]).await?;
    if challenge.status() != StatusCode::UNAUTHORIZED {
        return granted(act, &challenge);
    }
    let path = challenged_for(&challenge, keys).ok_or_else(|| {
        TokenError::new(FailureCause::Malformed, act)
            .why(format!("the challenge names no key in {}", keys.display()))
    })?;
    let unread =
        |why: String| wrong(why).hint("add the user that pgmoor runs as to the group \"himds\"");
    let key = secret_file::read_foreign(&path, MAX_ARC_KEY);
    let key = key.map_err(|error| unread(crate::credential::chain(&error)))?;
    let key = std::str::from_utf8(key.expose()).unwrap_or_default();
    let basic = Secret::new(format!("Basic {}", key.trim()));
    let answer = send(&[("Metadata", "true"), ("Authorization", basic.expose())]).await?;
    granted(act, &answer)
}

/// The key file of a challenge, if it is one of the agent's.
fn challenged_for(answer: &Response, keys: &Path) -> Option<PathBuf> {
    let challenge = answer
        .headers()
        .get(header::WWW_AUTHENTICATE)?
        .to_str()
        .ok()?;
    let path = PathBuf::from(challenge.strip_prefix("Basic realm=")?.trim_matches('"'));
    let is_theirs = path.parent() == Some(keys) && path.extension().is_some_and(|end| end == "key");
    is_theirs.then_some(path)
}

fn address(base: &str, version: &str, resource: &str, identity: Option<(&str, &String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let separator = if base.contains('?') { '&' } else { '?' };
    let mut address = format!(
        "{base}{separator}api-version={version}&resource={}",
        encode(resource)
    );
    if let Some((name, id)) = identity {
        address.push_str(&format!("&{name}={}", encode(id)));
    }
    address
}

fn request(act: &str, address: &str, headers: &[(&str, &str)]) -> Result<Request, TokenError> {
    let mut request = ::http::Request::builder().uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).map_err(|_| {
        TokenError::new(FailureCause::Configuration, act)
            .why("its address, or its header, cannot be sent")
    })
}

fn granted(act: &str, answer: &Response) -> Result<Token, TokenError> {
    match answer.status() {
        StatusCode::OK => answer::token(act, answer.body(), SystemTime::now()),
        _ => Err(answer::denial(act, answer)),
    }
}

fn because(error: &HttpError) -> String {
    use std::error::Error;
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
