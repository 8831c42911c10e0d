//! What can be done over HTTP: the traffic verbs, reload and shutdown.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;

use super::SCHEMA;
use crate::hooks::Shutdown;
use crate::traffic::{Traffic, TrafficError};
use crate::worker::Shared;

/// How long a drain may take when nothing is said, and at most.
const DRAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// What is asked for, beside the verb.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    /// Which database; without it, all.
    database: Option<String>,
    /// For `switch`: which endpoint is to serve it.
    endpoint: Option<String>,
    /// For `drain`: how long it may take.
    timeout_ms: Option<u64>,
    /// For `drain`: whether clients that are not done by then are ended.
    #[serde(default)]
    end_holders: bool,
    /// For `shutdown`: `now`, `servers` or `clients`.
    when: Option<String>,
}

/// An error as it is told.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    message: String,
    cause: Option<String>,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
            hint: None,
        }
    }

    pub(super) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "ok": false,
            "errors": [{ "error": self.message, "cause": self.cause, "hint": self.hint }],
        })
    }
}

impl From<TrafficError> for Problem {
    fn from(error: TrafficError) -> Self {
        let (status, hint) = match &error {
            TrafficError::NoDatabase { .. } => {
                (StatusCode::NOT_FOUND, "GET /status lists the databases")
            }
            TrafficError::NoEndpoint { .. } => {
                (StatusCode::NOT_FOUND, "GET /status lists the endpoints")
            }
            TrafficError::NotPaused { .. } => (StatusCode::CONFLICT, "pause and drain it first"),
            TrafficError::HandingOver | TrafficError::Predecessor { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                error.takeover_hint().unwrap_or_default(),
            ),
        };
        Self::new(status, error.to_string()).hint(hint)
    }
}

/// The verbs that there are.
pub(super) const VERBS: [&str; 7] = [
    "pause",
    "drain",
    "switch",
    "resume",
    "reconnect",
    "reload",
    "shutdown",
];

/// Reads a request's body; an empty one asks for nothing in particular.
pub(super) fn read(body: &[u8]) -> Result<Request, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Request::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "the request's body cannot be read")
            .cause(error.to_string())
            .hint("send JSON such as {\"database\": \"app\"}")
    })
}

/// Does what is asked.
pub(super) async fn act(
    shared: &std::sync::Arc<Shared>,
    verb: &str,
    request: &Request,
) -> Result<Value, Problem> {
    let traffic = Traffic::new(shared.clone());
    info!(
        verb,
        database = request.database.as_deref(),
        endpoint = request.endpoint.as_deref(),
        "asked over HTTP"
    );
    let outcome = match verb {
        "pause" => each(&traffic, request, Traffic::pause)?,
        "resume" => each(&traffic, request, Traffic::resume)?,
        "reconnect" => each(&traffic, request, Traffic::reconnect)?,
        "drain" => drain(&traffic, request).await?,
        "switch" => switch(&traffic, request)?,
        "reload" => reload(shared).await?,
        _ => shutdown(shared, request)?,
    };
    let mut answer = json!({ "schema": SCHEMA, "ok": true, "verb": verb });
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, outcome) {
        answer.extend(more);
    }
    Ok(answer)
}

/// The database that is named, or all.
fn named(traffic: &Traffic, request: &Request) -> Result<Vec<String>, Problem> {
    match &request.database {
        Some(name) => {
            traffic.is_paused(name)?;
            Ok(vec![name.clone()])
        }
        None => Ok(traffic.databases()),
    }
}

fn each(
    traffic: &Traffic,
    request: &Request,
    verb: impl Fn(&Traffic, &str) -> Result<(), TrafficError>,
) -> Result<Value, Problem> {
    let names = named(traffic, request)?;
    for name in &names {
        verb(traffic, name)?;
    }
    Ok(json!({ "databases": names }))
}

async fn drain(traffic: &Traffic, request: &Request) -> Result<Value, Problem> {
    let names = named(traffic, request)?;
    let limit = request
        .timeout_ms
        .map_or(DRAIN.0, Duration::from_millis)
        .min(DRAIN.1);
    let deadline = tokio::time::Instant::now() + limit;
    let mut remaining = 0;
    let mut unproven = Vec::new();
    for name in &names {
        if !traffic.is_paused(name)? {
            return Err(TrafficError::NotPaused {
                database: name.clone(),
            }
            .into());
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let mut drained = traffic.drain(name, left).await?;
        if drained.remaining > 0 && request.end_holders {
            drained = traffic.end_and_drain(name).await?;
        }
        remaining += drained.remaining;
        unproven.extend(drained.unproven);
    }
    let unproven: Vec<Value> = unproven
        .iter()
        .map(|one| json!({ "pid": one.pid, "endpoint": &*one.endpoint }))
        .collect();
    Ok(json!({
        "databases": names,
        "drained": remaining == 0 && unproven.is_empty(),
        "remaining": remaining,
        "unproven": unproven,
    }))
}

fn switch(traffic: &Traffic, request: &Request) -> Result<Value, Problem> {
    let (Some(database), Some(endpoint)) = (&request.database, &request.endpoint) else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "switch needs a database and an endpoint",
        )
        .hint("send {\"database\": \"app\", \"endpoint\": \"primary\"}"));
    };
    traffic.switch(database, endpoint)?;
    Ok(json!({ "databases": [database], "endpoint": endpoint }))
}

async fn reload(shared: &Shared) -> Result<Value, Problem> {
    let hooks = shared.hooks.load_full();
    let Some(reload) = hooks.and_then(|hooks| hooks.reload.clone()) else {
        return Err(not_here("reload"));
    };
    // It reads files.
    match tokio::task::spawn_blocking(move || reload()).await {
        Ok(Ok(())) => Ok(json!({})),
        Ok(Err(reason)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "cannot reload: the configuration so far stays in effect",
        )
        .cause(reason)),
        Err(error) => Err(
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off")
                .cause(error.to_string()),
        ),
    }
}

fn shutdown(shared: &Shared, request: &Request) -> Result<Value, Problem> {
    let how = match request.when.as_deref() {
        None | Some("now") => Shutdown::Now,
        Some("servers") => Shutdown::WaitForServers,
        Some("clients") => Shutdown::WaitForClients,
        Some(other) => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("\"when\" cannot be \"{other}\""),
            )
            .hint("use now, servers or clients"));
        }
    };
    let hooks = shared.hooks.load_full();
    let Some(shutdown) = hooks.and_then(|hooks| hooks.shutdown.clone()) else {
        return Err(not_here("shutdown"));
    };
    shutdown(how);
    Ok(json!({}))
}

fn not_here(verb: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_IMPLEMENTED,
        format!("{verb} is not possible here"),
    )
    .hint("the program that this gateway runs in does not offer it")
}
