//! Sessions that are logged in, as clients of tokio-postgres.

use std::time::Duration;

use std::error::Error;

use deadpool_postgres::{ManagerConfig, Pool};
use pgmoor::adapter::LocalSocket;
use pgmoor::adapter::deadpool_postgres::manager;
use pgmoor::adapter::tokio_postgres::{client, log_in};
use pgmoor::connector::ConnectError;
use pgmoor::credential::NoCredential;
use pgmoor::{Connector, Endpoint};
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

/// An error and what caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let (mut all, mut next) = (Vec::new(), Some(error));
    while let Some(cause) = next {
        all.push(cause);
        next = cause.source();
    }
    all
}

fn connector(url: &str) -> Connector {
    let endpoint = Endpoint::parse(url).expect("an address");
    Connector::new(endpoint, std::sync::Arc::new(NoCredential)).expect("a connector")
}

#[tokio::test]
async fn an_address_connects_in_one_line_with_its_own_password() {
    let postgres = Postgres::start().await;

    let connection = Endpoint::parse(&postgres.url())
        .unwrap()
        .connect()
        .await
        .unwrap();

    assert_eq!(
        (connection.user.as_str(), connection.database.as_str()),
        ("app", "app")
    );
}

#[tokio::test]
async fn a_login_that_fails_is_told_by_tokio_postgres_with_its_cause() {
    let postgres = Postgres::start().await;
    let wrong = postgres.url_of("app", "wrong", "app");

    let error = log_in(&connector(&wrong)).await.unwrap_err();

    let told = causes(&error).into_iter().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        io.get_ref()?.downcast_ref::<ConnectError>()
    });
    assert_eq!(told.expect("our own error").sqlstate().as_str(), "28P01");
}

#[tokio::test]
async fn a_pool_of_deadpool_opens_its_connections_by_the_connector_and_says_why_it_cannot() {
    let postgres = Postgres::start().await;
    let build = |url: &str| {
        let manager = manager(connector(url), ManagerConfig::default());
        Pool::builder(manager).max_size(2).build().expect("a pool")
    };
    let pool = build(&postgres.url());

    let (one, other) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let pid = "select pg_backend_pid()";
    let (first, second): (i32, i32) = (
        one.query_one(pid, &[]).await.unwrap().get(0),
        other.query_one(pid, &[]).await.unwrap().get(0),
    );
    assert_ne!(first, second);
    drop((one, other));
    let again: i32 = pool
        .get()
        .await
        .unwrap()
        .query_one(pid, &[])
        .await
        .unwrap()
        .get(0);
    assert!(again == first || again == second, "it is used again");

    let refused = build(&postgres.url_of("app", "wrong", "app"));
    let error = refused.get().await.expect_err("a wrong password");
    let told: Vec<String> = causes(&error).iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|cause| cause.contains("28P01")), "{told:?}");
}

#[tokio::test]
async fn a_local_socket_lets_any_library_in_without_a_password_and_passes_on_what_it_asks_for() {
    let postgres = Postgres::start().await;
    let socket = LocalSocket::open(connector(&postgres.url())).unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host_path(socket.directory()).port(socket.port());
    config
        .user("nobody")
        .dbname("postgres")
        .application_name("library");

    let (client, driver) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(driver);
    let query =
        "select session_user::text, current_database()::text, current_setting('application_name')";
    let row = client.query_one(query, &[]).await.unwrap();
    let told: [&str; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(told, ["app", "postgres", "library"]);

    let token = client.cancel_token();
    let (slept, ()) = tokio::join!(client.query("select pg_sleep(60)", &[]), async {
        let admin = postgres.connect_admin().await;
        wait_for("the query to run", Duration::from_secs(20), async || {
            let count = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
            admin.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    });
    assert_eq!(slept.unwrap_err().code().unwrap().code(), "57014");

    let directory = socket.directory().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&directory).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
    drop(socket);
    assert!(!directory.exists());
    wait_for("its sessions to end", Duration::from_secs(20), async || {
        client.is_closed()
    })
    .await;
}

#[tokio::test]
async fn a_local_socket_tells_the_library_why_the_server_does_not_let_us_in() {
    let postgres = Postgres::start().await;
    let wrong = postgres.url_of("app", "wrong", "app");
    let socket = LocalSocket::open(connector(&wrong)).unwrap();

    let refused = tokio_postgres::connect(&socket.url(), tokio_postgres::NoTls).await;

    let error = refused.err().expect("a wrong password");
    let told = error.as_db_error().expect("an error message");
    assert_eq!(told.code().code(), "28P01");
    assert!(
        told.message().contains("password authentication failed"),
        "{told:?}"
    );
}
