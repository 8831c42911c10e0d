//! The one HTTP client towards services that issue tokens, credentials and certificates.
//!
//! Such services are asked seldom, so a request has a connection of its own: nothing is kept that a
//! sleep or a change of network could break. It follows no redirect, for a token must go where it was
//! sent, and it never shows a body.

mod body;
mod error;

mod proxy;
mod trust;

mod dial;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

pub use body::Body;
pub use error::HttpError;
pub use proxy::Proxies;
#[cfg(feature = "google")]
pub(crate) use proxy::is_of_this_machine;
pub use trust::Trust;

use dial::{Io, Target};
use error::Reason;

/// A request of this client.
pub type Request = ::http::Request<Body>;
/// An answer to it.
pub type Response = ::http::Response<Body>;

/// No answer of such a service is longer.
const MAX_BODY: usize = 1024 * 1024;
/// Nobody is asked to wait longer than this, whatever `Retry-After` says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Asks services over HTTP and HTTPS. A clone shares what was read of trusted authorities.
#[derive(Debug, Clone)]
pub struct Client {
    trust: Arc<Trust>,
    proxies: Arc<Proxies>,
}

impl Client {
    /// Trusts those authorities, and goes by those proxies.
    pub fn new(trust: Trust, proxies: Proxies) -> Self {
        Self {
            trust: Arc::new(trust),
            proxies: Arc::new(proxies),
        }
    }

    /// As the environment says: `SSL_CERT_FILE` and `SSL_CERT_DIR` instead of the system's authorities,
    /// and the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        Self::new(
            Trust::from_environment(&get),
            Proxies::from_environment(get),
        )
    }

    /// The same, but straight to everybody: for services of this machine that are known by a name or
    /// address which does not say so. No proxy can answer for this machine.
    #[must_use]
    pub fn direct(&self) -> Self {
        Self {
            trust: self.trust.clone(),
            proxies: Arc::new(Proxies::none()),
        }
    }

    /// Sends a request and reads the whole answer, whatever its status. `timeout` is for all of it.
    ///
    /// Cancel safe: dropping the future closes the connection.
    ///
    /// # Errors
    /// [`HttpError`]: there was no whole answer. A status of 400 and above is an answer.
    pub async fn send(&self, request: Request, timeout: Duration) -> Result<Response, HttpError> {
        let target = error::target(request.method(), request.uri());
        let exchange = self.exchange(request, Instant::now() + timeout);
        let outcome = tokio::time::timeout(timeout, exchange).await;
        outcome
            .unwrap_or(Err(Reason::Timeout(timeout)))
            .map_err(|reason| HttpError::new(target, reason))
    }

    async fn exchange(&self, request: Request, deadline: Instant) -> Result<Response, Reason> {
        let target = Target::of(request.uri())?;
        let proxy = self.proxies.for_uri(request.uri(), &target)?;
        // The tasks that drive connections end with this set.
        let mut tasks = JoinSet::new();
        let io = match &proxy {
            Some(proxy) => {
                let through = self.reach(&proxy.target()?, deadline).await?;
                match target.tls {
                    true => {
                        let io = dial::tunnel(through, proxy, &target, &mut tasks).await?;
                        self.secure(io, &target).await?
                    }
                    false => through,
                }
            }
            None => self.reach(&target, deadline).await?,
        };
        let whole = proxy.filter(|_| !target.tls);
        let request = prepare(request, &target, whole.as_ref())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io))
            .await
            .map_err(Reason::exchange)?;
        tasks.spawn(async move {
            // Whoever waits for the answer hears of it too.
            let _ = connection.await;
        });
        let response = sender
            .send_request(request)
            .await
            .map_err(Reason::exchange)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map_err(|source| Reason::body(source, MAX_BODY))?;
        let body = Body::from(body.to_bytes().to_vec());
        Ok(Response::from_parts(parts, body))
    }

    /// A stream to a service or a proxy, inside TLS where that is its scheme.
    async fn reach(&self, target: &Target, deadline: Instant) -> Result<Io, Reason> {
        let io = dial::connect(target, deadline).await?;
        match target.tls {
            true => self.secure(io, target).await,
            false => Ok(io),
        }
    }

    async fn secure(&self, io: Io, target: &Target) -> Result<Io, Reason> {
        let shaken = dial::handshake(io, target, &self.trust).await?;
        Ok(Io::Tls(Box::new(shaken)))
    }
}

/// Adds `Host`, turns the address into what stands in the first line, and hides what is secret.
fn prepare(
    request: Request,
    target: &Target,
    proxy: Option<&proxy::Proxy>,
) -> Result<::http::Request<Full<Bytes>>, Reason> {
    let (mut parts, body) = request.into_parts();
    let address = |_| Reason::Address("cannot be sent");
    if !parts.headers.contains_key(header::HOST) {
        let host = HeaderValue::try_from(target.authority()).map_err(address)?;
        parts.headers.insert(header::HOST, host);
    }
    match proxy {
        Some(proxy) => {
            if let Some(login) = proxy.authorization() {
                parts
                    .headers
                    .insert(header::PROXY_AUTHORIZATION, login.clone());
            }
        }
        None => {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let path = if path.is_empty() { "/" } else { path };
            parts.uri = path
                .parse()
                .map_err(|_| Reason::Address("cannot be sent"))?;
        }
    }
    if let Some(value) = parts.headers.get_mut(header::AUTHORIZATION) {
        value.set_sensitive(true);
    }
    Ok(::http::Request::from_parts(
        parts,
        Full::new(body.into_bytes()),
    ))
}

/// How long the service asks to be left alone, by `Retry-After` in seconds or as a date.
pub fn retry_after(response: &Response, now: std::time::SystemTime) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text.trim())
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
