//! The admin address: metrics, health, status and traffic verbs over HTTP, and a page to look at.
//!
//! It runs on a thread of its own, so that a busy data path does not keep it from answering and
//! it never keeps the data path from working. Looking needs no token on a loopback address; on any
//! other, lists of clients need it too. Doing always needs the token.

mod act;
mod guard;
mod listener;
mod ready;
mod page;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pgmoor::Secret;
use pgmoor::settings::nearest;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tracing::{debug, error, info};

use crate::counters::Stage;
use crate::gateway::Gateway;
use crate::metrics::{Format, Readings, render};
use crate::snapshot::{answering, detail, overview, presence};
use crate::state_dir::{self};
use crate::worker::Shared;
use act::{Problem, VERBS, act, read};
pub use listener::{AdminError, AdminListener};

/// The version of every JSON document here.
pub(super) const SCHEMA: &str = "1.0";
/// A request's body is never longer, in bytes.
const MAX_BODY: usize = 16 << 10;
/// Connections at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a request's head and body may take to arrive, and an idle connection may stay.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may last: longer than the longest drain.
const CONNECTION_LIMIT: Duration = Duration::from_secs(3660);
/// How long workers have to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where one can look.
const PLACES: [&str; 8] = [
    "/",
    "/metrics",
    "/startup",
    "/readiness",
    "/liveness",
    "/status",
    "/clients",
    "/servers",
];

/// The admin address of a running gateway. Dropped, it stops.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Serves the admin address of this gateway.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub fn start(gateway: &Gateway, listener: AdminListener) -> Result<Self, AdminError> {
        let shared = gateway.shared();
        let state_dir = shared.state.load().settings.state_dir.clone();
        let site = Arc::new(Site {
            token: state_dir::admin_token(&state_dir).map_err(AdminError::Token)?,
            address: listener.address,
            shared,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AdminError::Start)?;
        let (stop, stopped) = watch::channel(false);
        let address = listener.address;
        let thread = std::thread::Builder::new()
            .name("admin".into())
            .spawn(move || {
                let served =
                    LocalSet::new().block_on(&runtime, serve(site, listener.listener, stopped));
                if let Err(error) = served {
                    error!(%error, "the admin address is not served any more");
                }
                // A reload that is under way is not waited for.
                runtime.shutdown_background();
            })
            .map_err(AdminError::Start)?;
        info!(%address, "admin address is served");
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it.
    pub fn stop(self) {}
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// What every request may need.
struct Site {
    shared: Arc<Shared>,
    token: Secret<String>,
    address: SocketAddr,
}

async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let knowing = tokio::task::spawn_local(ready::keep_known(site.shared.clone()));
    let service = TowerToHyperService::new(router(site));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "cannot accept a connection to the admin address");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without a place it is closed at once.
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_LIMIT)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service.clone());
        tokio::task::spawn_local(async move {
            match tokio::time::timeout(CONNECTION_LIMIT, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "connection to the admin address failed"),
                Err(_) => debug!("connection to the admin address took too long"),
            }
            drop(place);
        });
    }
    knowing.abort();
    Ok(())
}

fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/metrics", get(metrics))
        .route("/startup", get(startup))
        .route("/readiness", get(readiness))
        .route("/liveness", get(liveness))
        .route("/status", get(show_status))
        .route("/clients", get(clients))
        .route("/servers", get(servers))
        .route("/api/v1/{verb}", any(verb))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(site.clone(), guarded))
        .with_state(site)
}

/// Looks at every request before anything else does, and at every answer after.
async fn guarded(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = text(request.headers(), header::HOST);
    let mut response = if guard::is_known_host(site.address, host) {
        next.run(request).await
    } else {
        Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this address does not go by that name",
        )
        .hint(format!("use http://{}/", site.address))
        .into_response()
    };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status, &self.body());
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"pgmoor\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut text = serde_json::to_string_pretty(body).unwrap_or_default();
    text.push('\n');
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, text).into_response()
}

impl Site {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if guard::is_authorized(&self.token, text(headers, header::AUTHORIZATION)) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "the admin token is missing or wrong",
        )
        .hint("send \"Authorization: Bearer\" with what is in admin.token in gateway.state_dir"))
    }
}

async fn front(State(site): State<Arc<Site>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, page::page(&overview(&site.shared))).into_response()
}

async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let format = Format::accepted(text(&headers, header::ACCEPT).unwrap_or_default());
    let shared = &site.shared;
    let (presence, silent) = presence(shared, PATIENCE).await;
    let tls = shared.state.load().tls.clone();
    let readings = Readings {
        overview: overview(shared),
        presence,
        silent: silent.len(),
        reloads: shared.events.reloads(),
        reloaded: shared.events.reloaded(),
        logins: shared.events.logins(),
        accept_delays: shared.events.accept_delays(),
        errors: Stage::ALL.map(|stage| shared.events.errors(stage)),
        certificate_expires: tls.and_then(|tls| tls.current().expires_at),
        process: crate::process::read(),
    };
    let kind = [(header::CONTENT_TYPE, format.content_type())];
    (kind, render(readings, format)).into_response()
}

/// It listens and serves: that it answers at all says so.
async fn startup() -> Response {
    json_response(
        StatusCode::OK,
        &json!({ "schema": SCHEMA, "started": true }),
    )
}

async fn readiness(State(site): State<Arc<Site>>) -> Response {
    let (ready, body) = ready::readiness(&overview(&site.shared));
    json_response(yes_or_unavailable(ready), &body)
}

/// Whether every worker still turns. No database has a say in it, or an outage of one would
/// restart every gateway.
async fn liveness(State(site): State<Arc<Site>>) -> Response {
    let silent = answering(&site.shared, PATIENCE).await;
    let live = silent.is_empty();
    let body = json!({ "schema": SCHEMA, "live": live, "silent_workers": silent });
    json_response(yes_or_unavailable(live), &body)
}

fn yes_or_unavailable(yes: bool) -> StatusCode {
    if yes {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn show_status(State(site): State<Arc<Site>>) -> Response {
    json_response(StatusCode::OK, &status::status(&overview(&site.shared)))
}

/// Who is connected from where is nobody's business on a network.
fn may_list(site: &Site, headers: &HeaderMap) -> Result<(), Problem> {
    if site.address.ip().is_loopback() {
        return Ok(());
    }
    site.authorize(headers)
}

async fn clients(State(site): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Problem> {
    may_list(&site, &headers)?;
    let clock = crate::snapshot::Clock::now();
    let detail = detail(&site.shared, PATIENCE).await;
    Ok(json_response(
        StatusCode::OK,
        &status::clients(clock, &detail),
    ))
}

async fn servers(State(site): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Problem> {
    may_list(&site, &headers)?;
    let clock = crate::snapshot::Clock::now();
    let detail = detail(&site.shared, PATIENCE).await;
    Ok(json_response(
        StatusCode::OK,
        &status::servers(clock, &detail),
    ))
}

async fn verb(
    State(site): State<Arc<Site>>,
    Path(verb): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    site.authorize(request.headers())?;
    if !VERBS.contains(&verb.as_str()) {
        let problem = Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no verb \"{verb}\""),
        );
        return Err(match nearest(&verb, VERBS) {
            Some(near) => problem.hint(format!("did you mean POST /api/v1/{near}?")),
            None => problem.hint(format!("there are {}", VERBS.join(", "))),
        });
    }
    if request.method() != axum::http::Method::POST {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{verb} changes something"),
        )
        .hint(format!("use POST /api/v1/{verb}")));
    }
    let reading = axum::body::to_bytes(request.into_body(), MAX_BODY);
    let body: Bytes = match tokio::time::timeout(READ_LIMIT, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the request's body cannot be read, or has more than {MAX_BODY} bytes"),
            )
            .cause(error.to_string()));
        }
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the request's body did not arrive in time",
            ));
        }
    };
    let answer = act(&site.shared, &verb, &read(&body)?).await?;
    Ok(json_response(StatusCode::OK, &answer))
}

async fn nowhere(request: Request) -> Problem {
    let path = request.uri().path().to_owned();
    let problem = Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"));
    match nearest(&path, PLACES) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem.hint(format!("there are {}", PLACES.join(", "))),
    }
}

async fn not_so(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} can only be looked at", request.uri().path()),
    )
    .hint("use GET")
}
