//! Sessions that are logged in, as clients of tokio-postgres.

use std::time::Duration;

use pgmoor::adapter::tokio_postgres::client;
use pgmoor_testkit::{Ca, Postgres, wait_for};
use tokio_postgres::types::ToSql;

use crate::common::{connect, deadline, local};

#[tokio::test]
async fn a_session_opened_by_tls_and_scram_serves_queries_of_any_size_and_ends_with_its_client() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let verified = format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    );
    let connection = connect(&local(&postgres, &verified)).await.unwrap();
    let pid = connection.key.as_ref().unwrap().0;

    let (client, driver) = client(connection).await.unwrap();
    let driver = tokio::spawn(driver);

    let row = client
        .query_one(
            "select pg_backend_pid(), current_user::text, (select ssl from pg_stat_ssl where pid = pg_backend_pid())",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), pid);
    assert_eq!(row.get::<_, &str>(1), "app");
    assert!(row.get::<_, bool>(2));

    let long = "x".repeat(3_000_000);
    let parameters: &[&(dyn ToSql + Sync)] = &[&long];
    let row = client
        .query_one("select $1::text || '.'", parameters)
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0).len(), 3_000_001);

    let error = client.query_one("select 1/0", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");

    drop(client);
    driver.await.unwrap().unwrap();
    let admin = postgres.connect_admin().await;
    wait_for("the session to end", Duration::from_secs(20), async || {
        let count = "select count(*) from pg_stat_activity where pid = $1";
        admin
            .query_one(count, &[&pid])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
    })
    .await;
}

#[tokio::test]
async fn what_the_client_runs_is_cancelled_the_way_it_came() {
    let postgres = Postgres::start().await;
    let connection = connect(&local(&postgres, "")).await.unwrap();
    let pid = connection.key.as_ref().unwrap().0;
    let cancel = connection.cancel.clone();
    let (client, driver) = client(connection).await.unwrap();
    tokio::spawn(driver);

    let sleep = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
    let admin = postgres.connect_admin().await;
    wait_for(
        "the session to sleep",
        Duration::from_secs(20),
        async || {
            let asleep = "select wait_event = 'PgSleep' from pg_stat_activity where pid = $1";
            let row = admin.query_one(asleep, &[&pid]).await.unwrap();
            row.get::<_, Option<bool>>(0) == Some(true)
        },
    )
    .await;
    cancel.cancel(deadline()).await.unwrap();

    let error = sleep.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
}
