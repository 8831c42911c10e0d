//! Cancelling from a second connection.

use std::time::Duration;

use pgmoor::connector::Connection;
use pgmoor_testkit::{Ca, Postgres, wait_for};

use crate::common::{answer, connect, deadline, local};

pub(crate) async fn cancels(postgres: &Postgres, mut connection: Connection) {
    let mut query = Vec::new();
    pgmoor_wire::frontend::write_query(&mut query, "select pg_sleep(600)").expect("query");
    connection.stream.write_all(&query).await.expect("send");
    let pid = connection.key.as_ref().expect("key").0;
    let asleep = format!("select wait_event from pg_stat_activity where pid = {pid}");
    let client = postgres.connect_admin().await;
    wait_for(
        "the session to sleep",
        Duration::from_secs(20),
        async || {
            let rows = client.query(asleep.as_str(), &[]).await.expect("activity");
            rows.first()
                .is_some_and(|row| row.get::<_, Option<&str>>(0) == Some("PgSleep"))
        },
    )
    .await;

    connection.cancel.cancel(deadline()).await.expect("cancel");

    let outcome = answer(&mut connection.stream).await;
    assert_eq!(
        outcome.expect_err("cancelled"),
        "57014 canceling statement due to user request"
    );
}

#[tokio::test]
async fn running_query_is_cancelled_plain_encrypted_and_over_a_socket() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let verify = format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    );
    let socket = format!(
        "host={} port={} user=app dbname=app password={}",
        postgres.socket_dir().display(),
        postgres.port(),
        postgres.app_password()
    );
    for text in [
        local(&postgres, "sslmode=disable"),
        local(&postgres, &verify),
        socket,
    ] {
        cancels(&postgres, connect(&text).await.expect("login")).await;
    }
}
