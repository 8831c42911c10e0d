//! Sessions of the operator's work against a real PostgreSQL.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::{Error, Session};
use pgmoor_testkit::{Postgres, wait_for};
use tokio::time::Instant;

fn connector(postgres: &Postgres, password: &str) -> Connector {
    let text = format!(
        "host=127.0.0.1 port={} user=app dbname=app password={password}",
        postgres.port()
    );
    let endpoint = Endpoint::parse(&text).unwrap();
    Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap()
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_at_the_server() {
    let postgres = Postgres::start().await;
    let connector = connector(&postgres, postgres.app_password());
    let session = Session::open(&connector, "primary", None, &[], deadline())
        .await
        .unwrap();

    let sleep = session.client().batch_execute("select pg_sleep(600)");
    let limit = Duration::from_millis(200);
    let error = session.within("sleep", limit, sleep).await.unwrap_err();

    assert_eq!(error.to_string(), "cannot sleep: no answer within 200ms");
    let admin = postgres.connect_admin().await;
    wait_for("nobody to sleep", Duration::from_secs(20), async || {
        let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        admin.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    let one = session.client().query_one("select 1", &[]);
    session
        .within("go on", Duration::from_secs(20), one)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_server_refuses_is_told_by_its_code() {
    let postgres = Postgres::start().await;
    let right = connector(&postgres, postgres.app_password());
    let session = Session::open(&right, "primary", None, &[], deadline())
        .await
        .unwrap();
    let divide = session.client().query_one("select 1/0", &[]);
    let error = session
        .within("divide", Duration::from_secs(20), divide)
        .await;
    assert_eq!(error.unwrap_err().sqlstate().unwrap().as_str(), "22012");

    let wrong = connector(&postgres, "wrong");
    let error = Session::open(&wrong, "primary", None, &[], deadline())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Connect { .. }));
    assert_eq!(error.to_string(), "cannot connect to primary");
    assert_eq!(error.sqlstate().unwrap().as_str(), "28P01");
}
