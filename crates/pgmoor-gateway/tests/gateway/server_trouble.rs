//! What a person sees while the server cannot be had: SQLSTATE, text and hint, and for how long.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{
    Login, Message, Postgres, RawClient, ScriptedServer, Stop, backend as b, free_port,
    frontend as f,
};

use crate::fixture::{Gate, MODES, Plan, Served, endpoint_at, values};

const APP: [(&str, &str); 2] = [("user", "app"), ("database", "app")];

fn short(mode: PoolMode) -> Plan {
    Plan::new(mode, 2).pool(|pool| pool.checkout_timeout = Duration::from_millis(400))
}

async fn login_error(gate: &Served, sqlstate: &str) -> Message {
    let mut client = RawClient::connect(gate.address).await;
    let error = client
        .expect_login_error(&APP, &gate.password, sqlstate)
        .await;
    client.expect_closed().await;
    error
}

/// Takes numbers that differ from run to run out of a text.
fn steady(text: &str, port: u16) -> String {
    let text = text.replace(&format!(":{port}"), ":PORT");
    match text.find(" within 0.4") {
        Some(at) => {
            let end = text[at..].find(" s").map_or(text.len(), |end| at + end);
            format!("{} within 0.4{}", &text[..at], &text[end..])
        }
        None => text,
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_named_with_the_reason_and_a_hint() {
    for mode in MODES {
        let port = free_port();
        let gate = short(mode).before_port(port);
        let began = Instant::now();

        let error = login_error(&gate, "08001").await;

        assert!(
            began.elapsed() >= Duration::from_millis(380),
            "it was tried for as long as allowed"
        );
        assert_eq!(
            steady(&error.text(), port),
            "no server connection for database \"app\" within 0.4 s: cannot connect to 127.0.0.1:PORT: Connection refused (os error 111)"
        );
        assert_eq!(
            error.hint(),
            "check that the server runs and listens on that address and port (listen_addresses)"
        );
    }
}

#[tokio::test]
async fn clients_wait_for_a_server_that_restarts() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        let mut before = gate.client().await;
        if mode == PoolMode::Transaction {
            before.query("select 1").await;
        }
        gate.postgres.stop(Stop::Fast).await;

        let login = async {
            let mut client = RawClient::connect(gate.address).await;
            client.set_patience(Duration::from_secs(25));
            client.login("app", &gate.password, "app").await;
            client.value("select 'new'").await
        };
        let query = async {
            before.set_patience(Duration::from_secs(25));
            before.value("select 'old'").await
        };
        let (new, old, ()) = tokio::join!(login, query, gate.postgres.start_again());

        assert_eq!((&*new, &*old), ("new", "old"), "{mode:?}");
    }
}

#[tokio::test]
async fn a_full_server_is_told_as_too_many_connections() {
    let postgres = Postgres::builder()
        .conf("max_connections", "5")
        .conf("superuser_reserved_connections", "3")
        .start()
        .await;
    let taken = [postgres.connect().await, postgres.connect().await];
    let gate = short(PoolMode::Transaction).start_before(postgres).await;

    let error = login_error(&gate, "53300").await;

    assert_eq!(
        steady(&error.text(), gate.postgres.port()),
        "no server connection for database \"app\" within 0.4 s: 127.0.0.1:PORT rejected the session as \"app\": remaining connection slots are reserved for non-replication superuser connections (53300)"
    );
    assert_eq!(
        error.hint(),
        "keep max_connections of the endpoint below the server's, or raise the server's"
    );
    drop(taken);
    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn a_wrong_credential_or_database_is_told_at_once_and_names_the_endpoint() {
    let postgres = Postgres::start().await;
    let cases = [
        (
            postgres.url_of("app", "wrong", "app"),
            "28P01",
            "check the password; a rotated one must reach the credential's file or command too",
        ),
        (
            postgres.url_of("app", postgres.app_password(), "nowhere"),
            "3D000",
            "create the database, or correct its name",
        ),
    ];
    for (url, sqlstate, hint) in cases {
        let gate =
            Plan::new(PoolMode::Transaction, 2).serve(&[("primary", endpoint_at(&url, None))]);
        let began = Instant::now();

        let error = login_error(&gate, sqlstate).await;

        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(error.hint(), hint);
        let text = error.text();
        assert!(
            text.starts_with("cannot connect to the server of database \"app\": "),
            "{text}"
        );
        assert!(!text.contains("wrong"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_starts_up_is_waited_for() {
    let server = ScriptedServer::tcp().await;
    let gate = Plan::new(PoolMode::Transaction, 1).before_port(server.port());
    let serve = async {
        for _ in 0..3 {
            let mut connection = server.accept().await;
            let startup = connection.expect_startup().await;
            let refuse = Login::Refuse("57P03", "the database system is starting up");
            connection.log_in(&startup, &refuse).await;
        }
        let mut connection = server.accept().await;
        connection.welcome().await;
        connection.behave().await;
    };
    let client = async {
        let mut client = gate.client().await;
        assert_eq!(client.value("select up").await, "up");
    };

    tokio::select! {
        () = serve => panic!("the connection was closed"),
        () = client => {}
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_as_such_and_gets_no_query() {
    let server = ScriptedServer::tcp()
        .await
        .serve(|mut connection| async move {
            let startup = connection.expect_startup().await;
            connection.log_in(&startup, &Login::Trust).await;
            let greeting = [
                b::parameter_status("server_version", "9.6.24"),
                b::backend_key(7, &[1, 2, 3, 4]),
                b::ready(b'I'),
            ];
            let _ = connection.try_send(&greeting.concat()).await;
            let next = connection.try_next().await;
            assert!(!matches!(next, Ok(Some(message)) if message.tag == b'Q'));
        });
    let gate = short(PoolMode::Transaction).before_port(server.port());

    let error = login_error(&gate, "0A000").await;

    let text = steady(&error.text(), server.port());
    assert!(
        text.ends_with("runs PostgreSQL 9.6.24, which is too old: 12 is the oldest that is served"),
        "{text}"
    );
    assert!(
        error.hint().starts_with("upgrade the server"),
        "{}",
        error.hint()
    );
}

#[tokio::test]
async fn a_server_of_another_protocol_or_none_is_told_as_such() {
    let server = ScriptedServer::tcp()
        .await
        .serve(|mut connection| async move {
            let _ = connection.try_send(b"220 mail ready\r\n").await;
            let _ = connection.try_next().await;
        });
    let gate = short(PoolMode::Transaction).before_port(server.port());

    let error = login_error(&gate, "08P01").await;

    assert_eq!(
        error.hint(),
        "check that host and port are those of a PostgreSQL server"
    );
}

#[tokio::test]
async fn idle_server_connections_that_died_are_replaced_before_a_client_sees_it() {
    for stop in [Stop::Fast, Stop::Immediate] {
        let gate = Gate::start(PoolMode::Transaction, 3).await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        one.query("begin").await;
        two.query("begin").await;
        one.query("commit").await;
        two.query("commit").await;

        gate.postgres.restart(stop).await;

        assert_eq!(one.value("select 1").await, "1", "{stop:?}");
        assert_eq!(two.value("select 2").await, "2", "{stop:?}");
    }
}

#[tokio::test]
async fn a_terminated_server_connection_is_told_in_the_servers_words() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        for running in [false, true] {
            let mut client = gate.client().await;
            client.query("begin").await;
            let pid = client.value("select pg_backend_pid()").await;
            if running {
                client.send(&f::query("select pg_sleep(60)")).await;
                gate.wait_for_running("select pg_sleep(60)").await;
            }

            gate.postgres
                .terminate_backend(pid.parse().expect("a number"));

            let mut error = client.expect_any().await;
            while error.tag != b'E' {
                error = client.expect_any().await;
            }
            assert_eq!(error.sqlstate(), "57P01", "{mode:?}");
            assert_eq!(error.fields()[&'S'], "FATAL");
            client.expect_closed().await;
            let mut next = gate.client().await;
            assert_eq!(next.value("select 1").await, "1");
            next.terminate().await;
        }
    }
}

#[tokio::test]
async fn a_killed_server_process_ends_the_clients_it_served_and_keeps_the_others() {
    let gate = Gate::start(PoolMode::Transaction, 3).await;
    let (mut busy, mut idle) = (gate.client().await, gate.client().await);
    busy.query("begin").await;
    let pid = busy.value("select pg_backend_pid()").await;

    gate.postgres.kill_backend(pid.parse().expect("a number"));

    let error = busy.expect(b'E').await;
    assert!(
        ["08006", "57P02"].contains(&&*error.sqlstate()),
        "{error:?}"
    );
    busy.expect_closed().await;
    idle.set_patience(Duration::from_secs(25));
    idle.send(&f::query("select 'still here'")).await;
    assert_eq!(values(&idle.read_until_ready().await), ["still here"]);
}

#[tokio::test]
async fn a_server_that_refuses_the_login_is_not_asked_again_by_every_client() {
    for refusal in ["28P01", "3D000", "28000"] {
        let server = ScriptedServer::tcp()
            .await
            .serve(move |mut connection| async move {
                let startup = connection.expect_startup().await;
                let refuse = Login::Refuse(refusal, "no");
                connection.log_in(&startup, &refuse).await;
            });
        let gate = Plan::new(PoolMode::Transaction, 4).before_port(server.port());
        let began = Instant::now();

        let mut hints = Vec::new();
        for _ in 0..20 {
            hints.push(login_error(&gate, refusal).await.hint());
        }

        // One attempt of each worker, and one more for each second that has passed.
        let allowed = 2 + 2 * began.elapsed().as_secs() as usize;
        assert!(server.accepted() <= allowed, "{}", server.accepted());
        // All but those who were there when it was asked.
        let told = hints.iter().filter(|hint| hint.contains("next try in "));
        assert!(told.count() >= hints.len() - allowed, "{hints:?}");
    }
}

#[tokio::test]
async fn a_refused_login_is_tried_again_at_once_after_a_reload() {
    let postgres = Postgres::start().await;
    let plan = Plan::new(PoolMode::Transaction, 2);
    let wrong = endpoint_at(&postgres.url_of("app", "wrong", "app"), None);
    let gate = plan.clone().serve(&[("primary", wrong)]);
    for _ in 0..4 {
        login_error(&gate, "28P01").await;
    }

    let right = endpoint_at(&postgres.url(), None);
    let plan = plan.in_state_of(&gate);
    gate.gateway
        .reload(plan.configuration(&[("primary", right)]))
        .expect("reloaded");

    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn every_host_has_its_time_before_the_last_one_is_given_up() {
    let postgres = Postgres::start().await;
    // Connections come about, and nobody ever says a word.
    let silent = [ScriptedServer::tcp().await, ScriptedServer::tcp().await];
    let url = format!(
        "postgres://app:{}@127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}/app?connect_timeout=8&sslmode=disable",
        postgres.app_password(),
        silent[0].port(),
        silent[1].port(),
        postgres.port(),
    );
    let gate = Plan::new(PoolMode::Transaction, 2).serve(&[("primary", endpoint_at(&url, None))]);

    let mut client = RawClient::connect(gate.address).await;
    client.set_patience(Duration::from_secs(28));
    client.login("app", &gate.password, "app").await;

    assert_eq!(client.value("select 'third'").await, "third");
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_told_anew_when_a_new_connection_says_otherwise() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let mut before = gate.client().await;
    let zone = before.parameter("TimeZone").map(str::to_owned);
    assert_ne!(zone.as_deref(), Some("Asia/Tokyo"));
    let pid = before.value("select pg_backend_pid()").await;

    gate.postgres
        .psql("alter database app set timezone = 'Asia/Tokyo'")
        .await;
    gate.postgres
        .terminate_backend(pid.parse().expect("a number"));
    gate.wait_for_server_connections(0).await;
    assert_eq!(before.value("show timezone").await, "Asia/Tokyo");

    let after = gate.client().await;
    assert_eq!(after.parameter("TimeZone"), Some("Asia/Tokyo"));
}
