//! Several hosts: dead ones, slow ones, and ones of the wrong sort.

use std::time::Duration;

use pgmoor::connector::{Login, Stage};
use pgmoor::endpoint::Endpoint;
use pgmoor::error::ErrorKind;
use pgmoor_testkit::{Postgres, ScriptedServer, Serving, backend, free_port};
use pgmoor_wire::tag;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::common::{connect, connector, deadline, refused};

fn list(ports: &[u16], more: &str) -> String {
    let hosts = vec!["127.0.0.1"; ports.len()].join(",");
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!(
        "host={hosts} port={} user=app dbname=app {more}",
        ports.join(",")
    )
}

/// A server that lets everybody in and reports, or answers, whether it is a standby.
async fn fake(standby: bool, reports: bool) -> Serving {
    let word = if standby { "on" } else { "off" };
    ScriptedServer::tcp()
        .await
        .serve(move |mut connection| async move {
            let startup = connection.expect_startup().await;
            connection
                .log_in(&startup, &pgmoor_testkit::Login::Trust)
                .await;
            let mut greeting = backend::parameter_status("server_version", "13.0");
            if reports {
                greeting.extend(backend::parameter_status("in_hot_standby", word));
                greeting.extend(backend::parameter_status(
                    "default_transaction_read_only",
                    "off",
                ));
            }
            greeting.extend(backend::backend_key(1, &[1, 2, 3, 4]));
            greeting.extend(backend::ready(b'I'));
            connection.send(&greeting).await;
            while let Ok(Some(message)) = connection.try_next().await {
                if message.tag != tag::QUERY {
                    return;
                }
                let query = String::from_utf8_lossy(&message.body).into_owned();
                let value = match query.contains("pg_is_in_recovery") {
                    true if standby => "t",
                    true => "f",
                    false => word,
                };
                let mut answer = backend::row_description(&["x"]);
                answer.extend(backend::data_row(&[Some(value)]));
                answer.extend(backend::command_complete("SELECT 1"));
                answer.extend(backend::ready(b'I'));
                connection.send(&answer).await;
            }
        })
}

#[tokio::test]
async fn dead_host_is_skipped() {
    let postgres = Postgres::start().await;
    let password = format!("password={}", postgres.app_password());
    let text = list(&[free_port(), postgres.port()], &password);
    assert!(connect(&text).await.is_ok());
}

#[tokio::test]
async fn when_all_are_dead_each_is_named() {
    let (a, b) = (free_port(), free_port());
    let error = refused(&list(&[a, b], "")).await;
    let text = error.to_string();
    assert!(text.starts_with("none of 2 attempts succeeded: "), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{a}")) && text.contains(&format!("127.0.0.1:{b}")));
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.is_retryable());
    assert_eq!(error.sqlstate().as_str(), "08001");
}

#[tokio::test]
async fn rejected_login_ends_the_search() {
    let postgres = Postgres::start().await;
    let other = fake(false, true).await;
    let error = refused(&list(&[postgres.port(), other.port()], "password=falsch")).await;
    assert_eq!(error.sqlstate().as_str(), "28P01");
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn server_that_starts_up_is_skipped() {
    let starting = ScriptedServer::tcp()
        .await
        .serve(|mut connection| async move {
            let startup = connection.expect_startup().await;
            let refusal =
                pgmoor_testkit::Login::Refuse("57P03", "the database system is starting up");
            connection.log_in(&startup, &refusal).await;
        });
    let other = fake(false, true).await;
    let text = list(&[starting.port(), other.port()], "sslmode=disable");
    assert!(connect(&text).await.is_ok());
    let alone = refused(&list(&[starting.port()], "sslmode=disable")).await;
    assert!(alone.is_retryable());
    assert_eq!(alone.sqlstate().as_str(), "57P03");
}

#[tokio::test]
async fn silent_host_costs_its_connect_timeout_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = fake(false, true).await;
    let port = silent.local_addr().unwrap().port();
    let mut endpoint = Endpoint::parse(&list(&[port, other.port()], "sslmode=disable")).unwrap();
    endpoint.connect_timeout = Some(Duration::from_millis(100));
    let started = Instant::now();

    let connector = pgmoor::connector::Connector::with_home(
        endpoint,
        std::sync::Arc::new(pgmoor::credential::NoCredential),
        None,
    );
    let connector = connector.expect("connector");
    let outcome = connector
        .connect(Login::Endpoint, None, &[], deadline())
        .await;

    assert!(outcome.is_ok());
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn silent_host_leaves_the_others_their_share_of_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = fake(false, true).await;
    let port = silent.local_addr().unwrap().port();
    let connector = connector(&list(&[port, port, other.port()], "sslmode=disable"));
    let deadline = Instant::now() + Duration::from_secs(1);

    let outcome = connector
        .connect(Login::Endpoint, None, &[], deadline)
        .await;

    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn callers_deadline_ends_everything() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let connector = connector(&list(&[port, port], "sslmode=disable"));
    let deadline = Instant::now() + Duration::from_millis(100);
    let outcome = connector
        .connect(Login::Endpoint, None, &[], deadline)
        .await;
    let error = outcome.expect_err("deadline");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.stage(), Stage::Auth);
    assert!(Instant::now() < deadline + Duration::from_secs(5));
}

#[tokio::test]
async fn unknown_host_is_a_matter_of_dns() {
    let error = refused("host=no-such-host.invalid user=app").await;
    assert_eq!(error.kind(), ErrorKind::Dns);
    assert_eq!(error.stage(), Stage::Dns);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn wanted_sort_of_server_is_found_by_report_and_by_query() {
    for reports in [true, false] {
        let (primary, standby) = (fake(false, reports).await, fake(true, reports).await);
        for (wanted, found) in [
            ("any", &primary),
            ("read-write", &primary),
            ("primary", &primary),
            ("read-only", &standby),
            ("standby", &standby),
            ("prefer-standby", &standby),
        ] {
            let more = format!("sslmode=disable target_session_attrs={wanted}");
            let text = list(&[primary.port(), standby.port()], &more);
            let connection = connect(&text).await.expect(wanted);
            assert!(
                connection.server.ends_with(&found.port().to_string()),
                "{wanted}"
            );
        }
    }
}

#[tokio::test]
async fn no_server_of_the_wanted_sort_is_an_error_except_where_it_is_a_preference() {
    let primary = fake(false, true).await;
    let text = |wanted: &str| {
        let more = format!("sslmode=disable target_session_attrs={wanted}");
        list(&[primary.port()], &more)
    };
    let error = refused(&text("standby")).await;
    assert_eq!(error.kind(), ErrorKind::WrongServer);
    assert!(
        error
            .to_string()
            .ends_with("is not a standby, and target_session_attrs=standby")
    );
    assert!(connect(&text("prefer-standby")).await.is_ok());
}

#[tokio::test]
async fn real_server_that_only_reads_is_told_from_one_that_writes() {
    let reads = Postgres::builder()
        .conf("default_transaction_read_only", "on")
        .start()
        .await;
    let text = |wanted: &str| {
        let password = reads.app_password();
        list(
            &[reads.port()],
            &format!("password={password} target_session_attrs={wanted}"),
        )
    };
    assert!(connect(&text("read-only")).await.is_ok());
    assert_eq!(
        refused(&text("read-write")).await.kind(),
        ErrorKind::WrongServer
    );
    assert!(connect(&text("primary")).await.is_ok());
}

#[tokio::test]
async fn balanced_load_reaches_every_host() {
    let (a, b) = (fake(false, true).await, fake(false, true).await);
    let connector = connector(&list(
        &[a.port(), b.port()],
        "sslmode=disable load_balance_hosts=random",
    ));
    for _ in 0..40 {
        crate::common::open(&connector).await.expect("connection");
    }
    assert!(a.accepted() > 0 && b.accepted() > 0);
}

#[test]
fn connecting_can_be_done_on_any_runtime() {
    fn is_send<T: Send>(_: &T) {}
    let connector = connector("host=localhost user=app");
    is_send(&connector.connect(Login::Endpoint, None, &[], deadline()));
    is_send(&connector);
}
