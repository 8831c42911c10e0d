//! The traffic verbs of a gateway that runs elsewhere, by its admin address.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use pgmoor::Secret;
use pgmoor_gateway::settings::GatewaySettings;
use pgmoor_gateway::state_dir;
use pgmoor_ops::traffic::{Act, Drained, Serving, TrafficControl, TrafficError};
use serde_json::{Value, json};

use crate::admin::{self, Call};
use crate::exit::Exit;
use crate::output::Failure;

/// How long a verb that waits for nobody may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A reload may start a bundled server.
const RELOAD: Duration = Duration::from_secs(120);

/// A gateway that runs elsewhere, by its admin address.
#[derive(Debug)]
pub(crate) struct AdminClient {
    address: SocketAddr,
    token: Secret<String>,
}

impl AdminClient {
    /// The gateway of this configuration.
    ///
    /// # Errors
    /// It has no admin address, or its token cannot be read.
    pub(crate) fn new(gateway: &GatewaySettings) -> Result<Self, Failure> {
        let address = admin::address(gateway)?;
        let token = state_dir::admin_token(&gateway.state_dir).map_err(|error| {
            let failure = Failure::new(Exit::Usage, "cannot read the admin token").because(&error);
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        Ok(Self { address, token })
    }

    /// Has the gateway read its configuration again.
    ///
    /// # Errors
    /// It cannot be reached, or the configuration is wrong.
    pub(crate) async fn reload(&self) -> Result<(), TrafficError> {
        self.post("reload", &json!({}), RELOAD).await.map(drop)
    }

    async fn post(
        &self,
        verb: &'static str,
        body: &Value,
        patience: Duration,
    ) -> Result<Value, TrafficError> {
        let (path, bytes) = (format!("/api/v1/{verb}"), body.to_string().into_bytes());
        let (status, answer) = self.ask(Method::POST, &path, bytes, patience).await?;
        match status.is_success() {
            true => Ok(answer),
            false => Err(refusal(verb, status, body, &answer["errors"][0])),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<(StatusCode, Value), TrafficError> {
        let answer = admin::ask(Call {
            address: self.address,
            method,
            path,
            token: Some(&self.token),
            body,
            patience,
        })
        .await;
        let (status, answer) = answer.map_err(|source| TrafficError::Unreachable {
            address: self.address.to_string(),
            source,
        })?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }
}

/// What a status says of a database; `None` when it is not there.
fn serving(status: &Value, database: &str) -> Option<Serving> {
    let named = |key: &str| status[key].as_array().into_iter().flatten();
    let row = named("databases").find(|row| row["name"] == database)?;
    let endpoints = named("endpoints").filter_map(|row| row["name"].as_str().map(str::to_owned));
    Some(Serving {
        endpoint: row["endpoint"].as_str()?.to_owned(),
        endpoints: endpoints.collect(),
        is_paused: row["paused"].as_bool()?,
    })
}

/// What the gateway's refusal means.
fn refusal(verb: &'static str, status: StatusCode, asked: &Value, told: &Value) -> TrafficError {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let database = word(&asked["database"]).unwrap_or_default();
    let message = word(&told["error"]).unwrap_or_else(|| status.to_string());
    match status {
        StatusCode::CONFLICT => TrafficError::NotPaused { database },
        StatusCode::NOT_FOUND if message.contains("endpoint") => TrafficError::NoEndpoint {
            endpoint: word(&asked["endpoint"]).unwrap_or_default(),
        },
        StatusCode::NOT_FOUND => TrafficError::NoDatabase { database },
        _ => TrafficError::Refused {
            verb,
            reason: match word(&told["cause"]) {
                Some(cause) => format!("{message}: {cause}"),
                None => message,
            },
            hint: word(&told["hint"]),
        },
    }
}

impl TrafficControl for AdminClient {
    fn serving<'a>(&'a self, database: &'a str) -> Act<'a, Serving> {
        Box::pin(async move {
            let status = self.ask(Method::GET, "/status", Vec::new(), PATIENCE);
            let (status, told) = status.await?;
            if !status.is_success() {
                return Err(refusal(
                    "tell its status",
                    status,
                    &json!({}),
                    &told["errors"][0],
                ));
            }
            serving(&told, database).ok_or_else(|| TrafficError::NoDatabase {
                database: database.to_owned(),
            })
        })
    }

    fn pause<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        Box::pin(async move {
            let body = json!({ "database": database });
            self.post("pause", &body, PATIENCE).await.map(drop)
        })
    }

    fn drain<'a>(&'a self, database: &'a str, limit: Duration) -> Act<'a, Drained> {
        Box::pin(async move {
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let body = json!({ "database": database, "timeout_ms": limit_ms });
            let answer = self.post("drain", &body, limit + PATIENCE).await?;
            let remaining = answer["remaining"].as_u64().unwrap_or(u64::MAX);
            Ok(Drained {
                remaining: usize::try_from(remaining).unwrap_or(usize::MAX),
                unproven: answer["unproven"].as_array().map_or(0, Vec::len),
            })
        })
    }

    fn switch<'a>(&'a self, database: &'a str, endpoint: &'a str) -> Act<'a, ()> {
        Box::pin(async move {
            let body = json!({ "database": database, "endpoint": endpoint });
            self.post("switch", &body, PATIENCE).await.map(drop)
        })
    }

    fn resume<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        Box::pin(async move {
            let body = json!({ "database": database });
            self.post("resume", &body, PATIENCE).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_apart_by_what_it_means() {
        let asked = json!({ "database": "app", "endpoint": "new" });
        let told = |status, error: &str| {
            let told = json!({ "error": error, "cause": "line 3", "hint": "look" });
            refusal("switch", status, &asked, &told).to_string()
        };

        assert_eq!(
            told(StatusCode::CONFLICT, "x"),
            "database \"app\" is not paused"
        );
        assert_eq!(
            told(StatusCode::NOT_FOUND, "there is no endpoint \"new\""),
            "there is no endpoint \"new\""
        );
        assert_eq!(
            told(StatusCode::NOT_FOUND, "there is no database \"app\""),
            "there is no database \"app\""
        );
        assert_eq!(
            told(StatusCode::UNPROCESSABLE_ENTITY, "cannot reload"),
            "the gateway refused to switch: cannot reload: line 3"
        );
    }
}
