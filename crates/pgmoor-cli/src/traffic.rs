//! The traffic verbs of a gateway: of one that runs elsewhere, and of one in this process.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use pgmoor::Secret;
use pgmoor_gateway::settings::GatewaySettings;
use pgmoor_gateway::{Traffic, state_dir};
use pgmoor_ops::traffic::{Act, Drained, TrafficControl, TrafficError};
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
        let answer = admin::ask(Call {
            address: self.address,
            method: Method::POST,
            path: &format!("/api/v1/{verb}"),
            token: Some(&self.token),
            body: body.to_string().into_bytes(),
            patience,
        })
        .await;
        let (status, answer) = answer.map_err(|source| TrafficError::Unreachable {
            address: self.address.to_string(),
            source,
        })?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        Err(refusal(verb, status, body, &answer["errors"][0]))
    }
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

/// The gateway in this process.
#[derive(Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for a move in the gateway's own process")
)]
pub(crate) struct InProcess(pub(crate) Traffic);

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for a move in the gateway's own process")
)]
fn own(error: pgmoor_gateway::TrafficError) -> TrafficError {
    use pgmoor_gateway::TrafficError as Own;
    match error {
        Own::NoDatabase { database } => TrafficError::NoDatabase { database },
        Own::NoEndpoint { endpoint } => TrafficError::NoEndpoint { endpoint },
        Own::NotPaused { database } => TrafficError::NotPaused { database },
        error @ (Own::HandingOver | Own::Predecessor { .. }) => TrafficError::Refused {
            verb: "change the traffic",
            reason: error.to_string(),
            hint: None,
        },
    }
}

impl TrafficControl for InProcess {
    fn pause<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        Box::pin(async move { self.0.pause(database).map_err(own) })
    }

    fn drain<'a>(&'a self, database: &'a str, limit: Duration) -> Act<'a, Drained> {
        Box::pin(async move {
            let drained = self.0.drain(database, limit).await.map_err(own)?;
            Ok(Drained {
                remaining: drained.remaining,
                unproven: drained.unproven.len(),
            })
        })
    }

    fn switch<'a>(&'a self, database: &'a str, endpoint: &'a str) -> Act<'a, ()> {
        Box::pin(async move { self.0.switch(database, endpoint).map_err(own) })
    }

    fn resume<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        Box::pin(async move { self.0.resume(database).map_err(own) })
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

    #[test]
    fn both_gateways_can_be_asked_the_same() {
        fn takes<T: TrafficControl>() {}
        takes::<AdminClient>();
        takes::<InProcess>();
    }
}
