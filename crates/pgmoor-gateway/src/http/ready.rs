//! Whether clients can be served, and why not; and the attempts that keep that known.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgmoor::connector::Login;
use pgmoor::error::ErrorKind;
use pgmoor_wire::frontend;
use serde_json::{Value, json};
use tokio::task::spawn_local;

use super::SCHEMA;
use crate::clock::Moment;
use crate::endpoint::own_name;
use crate::pool::Database;
use crate::preparation::Stage;
use crate::settings::Passthrough;
use crate::snapshot::{DatabaseRow, Overview, Trouble};
use crate::worker::Shared;

/// How often it is looked which databases are to be tried.
const GLANCE: Duration = Duration::from_millis(500);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// When an unreachable server is tried again: one that may come back by itself, and one that
/// somebody has to see to.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// When a server that nobody uses is tried again.
const STALE: Duration = Duration::from_secs(60);

/// A database that cannot be served now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    database: String,
    reason: String,
    hint: Option<String>,
}

/// Whether clients can be served. A paused database keeps nobody from it: that is somebody's wish.
pub(super) fn missing(overview: &Overview) -> Vec<Missing> {
    let rows = overview.databases.iter();
    rows.filter(|row| !row.paused || row.preparation != Stage::Done)
        .filter_map(|row| {
            let (reason, hint) = match (row.reachable, without_credential(overview, row)) {
                _ if row.preparation != Stage::Done => unprepared(&row.preparation)?,
                (_, Some(trouble)) => (trouble.message.clone(), trouble.hint.clone()),
                (Some(true), None) => return None,
                (_, None) => unreached(row),
            };
            Some(Missing {
                database: row.name.to_string(),
                reason,
                hint,
            })
        })
        .collect()
}

/// What is being done before clients are let in, or why it failed.
fn unprepared(stage: &Stage) -> Option<(String, Option<String>)> {
    match stage {
        Stage::Done => None,
        Stage::UnderWay { what } => Some((what.clone(), None)),
        Stage::Failed { why, hint } => Some((why.clone(), hint.clone())),
    }
}

fn unreached(row: &DatabaseRow) -> (String, Option<String>) {
    match &row.last_failure {
        Some(failure) => (failure.message.clone(), failure.hint.clone()),
        None => {
            let never = format!("endpoint \"{}\" has not been reached yet", row.endpoint);
            (never, None)
        }
    }
}

/// Why nobody can log in at a database's endpoint any more, although connections of before may serve.
fn without_credential<'a>(overview: &'a Overview, row: &DatabaseRow) -> Option<&'a Trouble> {
    // Where clients log in as themselves, the endpoint's own login is nothing to them.
    row.user.as_ref()?;
    let mut endpoints = overview.endpoints.iter();
    let endpoint = endpoints.find(|endpoint| endpoint.name == row.endpoint)?;
    let credential = endpoint.credential.as_ref()?;
    let trouble = credential.last_failure.as_ref();
    trouble.filter(|_| credential.is_missing())
}

/// The answer to `/readiness`, and whether it is yes.
pub(super) fn readiness(overview: &Overview) -> (bool, Value) {
    let missing = missing(overview);
    let ready = missing.is_empty() && !overview.stopping;
    let databases: Vec<Value> = missing
        .iter()
        .map(|missing| {
            json!({
                "database": missing.database,
                "reason": missing.reason,
                "hint": missing.hint,
            })
        })
        .collect();
    let paused: Vec<&str> = overview
        .databases
        .iter()
        .filter(|row| row.paused)
        .map(|row| &*row.name)
        .collect();
    let body = json!({
        "schema": SCHEMA,
        "ready": ready,
        "stopping": overview.stopping,
        "not_ready": databases,
        "paused": paused,
    });
    (ready, body)
}

/// Whether it is time to try this database's server.
fn is_due(row: &DatabaseRow, now: Moment) -> bool {
    let older =
        |then: Option<Moment>, than: Duration| then.is_none_or(|then| now.since(then) >= than);
    match (row.reachable, &row.last_failure) {
        _ if row.paused => false,
        (None, _) => true,
        (Some(true), _) => row.servers == 0 && older(row.last_success, STALE),
        (Some(false), Some(failure)) => {
            let again = if failure.retryable { AGAIN.0 } else { AGAIN.1 };
            older(Some(failure.at), again)
        }
        (Some(false), None) => true,
    }
}

/// Tries the servers whose state nobody knows, for ever.
pub(super) async fn keep_known(shared: Arc<Shared>) {
    let trying: Rc<std::cell::RefCell<Vec<Arc<str>>>> = Rc::default();
    loop {
        let overview = crate::snapshot::overview(&shared);
        let state = shared.state.load_full();
        let now = Moment::now();
        for row in overview.databases.iter().filter(|row| is_due(row, now)) {
            if trying.borrow().contains(&row.name) {
                continue;
            }
            if let Some(database) = state.databases.get(&row.name) {
                trying.borrow_mut().push(row.name.clone());
                let (database, trying) = (database.clone(), trying.clone());
                let own_login = state.settings.auth.passthrough != Passthrough::None;
                spawn_local(async move {
                    attempt(&database, own_login).await;
                    trying.borrow_mut().retain(|name| *name != database.name);
                });
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Connects once; `own_login` when clients log in at the server as themselves.
async fn attempt(database: &Database, own_login: bool) {
    let endpoint = database.endpoint.load_full();
    let dbname = database.name_at(&endpoint);
    let Some(_admission) = endpoint.admit_one() else {
        // All of its connections are open, so it is there.
        return database.health.succeeded();
    };
    let deadline = Instant::now() + ATTEMPT;
    let own_name = [own_name()];
    let connecting =
        endpoint
            .connector
            .connect(Login::Endpoint, Some(&dbname), &own_name, deadline);
    match connecting.await {
        Ok(mut connection) => {
            database.health.succeeded();
            let mut goodbye = Vec::new();
            frontend::write_terminate(&mut goodbye);
            let _ = connection.stream.try_write(&goodbye);
        }
        // It is there; that the endpoint itself has no login is nothing to clients who have one.
        Err(error) if own_login && error.kind() == ErrorKind::Authentication => {
            database.health.succeeded();
        }
        Err(error) => database.health.failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Failure;

    fn ago(now: Moment, seconds: u64) -> Moment {
        Moment::from_micros(now.micros() - seconds * 1_000_000)
    }

    fn failed(overview: &mut Overview, seconds_ago: u64, retryable: bool) {
        let row = &mut overview.databases[0];
        row.paused = false;
        row.reachable = Some(false);
        row.last_failure = Some(Failure {
            at: ago(overview.clock.moment, seconds_ago),
            message: "cannot connect to db.example.com:5432: connection refused".into(),
            hint: Some("start the server".into()),
            sqlstate: "08001".into(),
            retryable,
        });
    }

    #[test]
    fn readiness_says_which_database_and_why() {
        let (mut overview, _) = crate::console::tests::busy();
        assert!(
            readiness(&overview).0,
            "a paused database is nobody's fault"
        );

        failed(&mut overview, 1, true);
        let (ready, body) = readiness(&overview);

        assert!(!ready);
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"));
    }

    #[test]
    fn nobody_is_served_by_an_endpoint_whose_credential_ended_and_is_not_renewed() {
        let (mut overview, _) = crate::console::tests::busy();
        overview.databases[0].paused = false;
        assert!(
            readiness(&overview).0,
            "it is renewed in vain, and good still"
        );

        let credential = overview.endpoints[0].credential.as_mut();
        credential.expect("it has one").is_valid = false;
        let (ready, body) = readiness(&overview);

        assert!(!ready);
        let database = &body["not_ready"][0];
        assert_eq!(database["reason"], "cannot ask the issuer: it answered 503");
        assert_eq!(database["hint"], "wait for it");

        overview.databases[0].user = None;
        assert!(readiness(&overview).0, "clients log in as themselves");
    }

    #[test]
    fn a_credential_that_ended_while_nobody_needed_it_is_no_trouble() {
        let (mut overview, _) = crate::console::tests::busy();
        overview.databases[0].paused = false;

        let credential = overview.endpoints[0]
            .credential
            .as_mut()
            .expect("it has one");
        credential.is_valid = false;
        credential.last_failure = None;

        assert!(readiness(&overview).0);
    }

    #[test]
    fn a_database_that_is_being_prepared_is_not_ready_even_when_paused() {
        let (mut overview, _) = crate::console::tests::busy();
        overview.databases[0].preparation = Stage::UnderWay {
            what: "migration V1__a runs".into(),
        };

        let (ready, body) = readiness(&overview);

        assert!(!ready);
        assert_eq!(body["not_ready"][0]["reason"], "migration V1__a runs");
    }

    #[test]
    fn servers_are_tried_when_nobody_knows_and_not_too_often() {
        let (mut overview, _) = crate::console::tests::busy();
        let now = overview.clock.moment;
        assert!(!is_due(&overview.databases[0], now), "paused");

        failed(&mut overview, 1, true);
        assert!(!is_due(&overview.databases[0], now), "just tried");
        failed(&mut overview, 3, true);
        assert!(is_due(&overview.databases[0], now));
        failed(&mut overview, 3, false);
        assert!(
            !is_due(&overview.databases[0], now),
            "somebody has to see to it"
        );

        let row = &mut overview.databases[0];
        (row.reachable, row.last_failure, row.last_success) = (Some(true), None, Some(now));
        assert!(!is_due(row, now));
        row.last_success = Some(ago(now, STALE.as_secs()));
        assert!(!is_due(row, now), "in use");
        row.servers = 0;
        assert!(is_due(row, now));
    }
}
