//! `pgmoor wait`: returns when a database can be used, by logging in as a client does.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::{ConnectError, Connector, Login};
use pgmoor::credential::{CredentialProvider, NoCredential, PasswordProvider};
use pgmoor::endpoint::Endpoint;
use pgmoor_wire::sqlstate;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Address;
use crate::args::{Global, Wait};
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

/// Between attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// One attempt must not eat the whole time: the gateway may be about to restart.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Waits.
pub(super) fn run(global: &Global, arguments: &Wait, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let settings = &loaded.settings;
    let started = Instant::now();
    super::runtime().block_on(async {
        let deadline = started + arguments.timeout;
        let mut last = Failure::new(Exit::Unreachable, "no attempt was made");
        while Instant::now() < deadline {
            // The password may be made while we wait.
            let address = Address::of(settings, arguments.database.as_deref())?;
            match attempt(&address, settings, deadline).await {
                Ok(()) => {
                    report(&address, started.elapsed(), output);
                    return Ok(Exit::Ok);
                }
                Err(Outcome::Never(failure)) => return Err(failure),
                Err(Outcome::NotYet(failure)) => last = failure,
            }
            sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
        let cause = last
            .problems
            .pop()
            .map(|problem| problem.cause.unwrap_or(problem.what))
            .unwrap_or_default();
        let database = Address::of(settings, arguments.database.as_deref())?.url(false);
        Err(Failure::new(
            Exit::Unreachable,
            format!(
                "{database} cannot be used after {}",
                seconds(arguments.timeout)
            ),
        )
        .cause(cause)
        .hint("see the output of pgmoor up, or wait longer with --timeout"))
    })
}

/// Why an attempt did not succeed, and whether another may.
enum Outcome {
    NotYet(Failure),
    Never(Failure),
}

async fn attempt(
    address: &Address,
    settings: &crate::config::settings::Settings,
    deadline: Instant,
) -> Result<(), Outcome> {
    address
        .require_password(&settings.gateway)
        .map_err(Outcome::NotYet)?;
    let failure = |error: &ConnectError| {
        let failure = Failure::new(
            Exit::Unreachable,
            format!("cannot log in at {}", address.url(false)),
        )
        .because(error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let connector = connector(address).map_err(|error| Outcome::Never(failure(&error)))?;
    let attempt_ends = deadline.min(Instant::now() + ATTEMPT);
    let connecting = connector.connect(Login::Endpoint, None, &[], attempt_ends);
    match timeout_at(attempt_ends, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if may_come(&error) => Err(Outcome::NotYet(failure(&error))),
        Ok(Err(error)) => Err(Outcome::Never(failure(&error))),
        Err(_) => Err(Outcome::NotYet(Failure::new(
            Exit::Unreachable,
            "the login took too long",
        ))),
    }
}

/// A database that does not exist may be about to be made, or to be configured.
fn may_come(error: &ConnectError) -> bool {
    error.is_retryable() || error.sqlstate() == sqlstate::INVALID_CATALOG_NAME
}

fn connector(address: &Address) -> Result<Connector, ConnectError> {
    let parts = [
        ("host", address.host.clone()),
        ("port", address.port.to_string()),
        ("user", address.user.clone()),
        ("dbname", address.database.clone()),
        (
            "sslmode",
            if address.needs_tls {
                "require"
            } else {
                "prefer"
            }
            .to_owned(),
        ),
        ("application_name", "pgmoor wait".to_owned()),
    ];
    let endpoint = Endpoint::from_parts(parts).expect("an address is made of valid parts");
    let credential: Arc<dyn CredentialProvider> = match &address.password {
        Some(password) => Arc::new(PasswordProvider::new(password.clone())),
        None => Arc::new(NoCredential),
    };
    Connector::new(endpoint, credential)
}

fn report(address: &Address, waited: Duration, output: Output) {
    match output.format {
        Format::Json => output.json(&json!({
            "schema": SCHEMA,
            "ok": true,
            "database": address.database,
            "waited_ms": u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        })),
        Format::Text => output.data(&format!("ok: {} is ready\n", address.url(false))),
    }
}

fn seconds(duration: Duration) -> String {
    pgmoor::settings::write_duration(duration)
}
