//! A server that dies, lies or babbles, in every state that a connection to it can be in.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{
    Message, RawClient, ScriptedConnection, ScriptedServer, backend as b, frontend as f, tags,
};

use crate::fixture::{MODES, Plan, Served, values};

/// The answer to a query that gives one value.
fn one_row(value: &str) -> Vec<u8> {
    [
        b::row_description(&["value"]),
        b::data_row(&[Some(value)]),
        b::command_complete("SELECT 1"),
        b::ready(b'I'),
    ]
    .concat()
}

/// A client that is logged in, and the server connection that its login opened.
async fn start(plan: Plan) -> (Served, ScriptedServer, RawClient, ScriptedConnection) {
    let server = ScriptedServer::tcp().await;
    let gate = plan.before_port(server.port());
    let accept = async {
        let mut connection = server.accept().await;
        connection.welcome().await;
        connection
    };
    let (client, connection) = tokio::join!(gate.client(), accept);
    (gate, server, client, connection)
}

/// Answers one query on the next server connection.
async fn serve_next(server: &ScriptedServer) -> ScriptedConnection {
    let mut connection = loop {
        let mut connection = server.accept().await;
        // What ran on the one before is cancelled.
        if connection.welcome_unless_cancel().await {
            break connection;
        }
    };
    assert_eq!(connection.expect_query().await, "select next");
    connection.send(&one_row("next")).await;
    connection
}

/// The client's next query is answered on another server connection.
async fn served_by_another(server: &ScriptedServer, client: &mut RawClient) {
    let (answer, _connection) = tokio::join!(client.query("select next"), serve_next(server));
    assert_eq!(values(&answer), ["next"]);
}

/// So is that of a client that logs in now.
async fn next_is_served(server: &ScriptedServer, gate: &Served) {
    let next = async {
        let mut client = gate.client().await;
        client.query("select next").await
    };
    let (answer, _connection) = tokio::join!(next, serve_next(server));
    assert_eq!(values(&answer), ["next"]);
}

async fn told_that_the_server_is_gone(client: &mut RawClient) {
    let error = client.expect_error("08006").await;
    assert_eq!(
        error.text(),
        "the server closed the connection unexpectedly"
    );
    assert_eq!(
        error.hint(),
        "what was under way may or may not have been done; connect again"
    );
    assert_eq!(error.fields()[&'S'], "FATAL");
    client.expect_closed().await;
}

#[tokio::test]
async fn a_server_that_dies_idle_in_the_pool_is_not_noticed_by_clients() {
    for mode in MODES {
        for reset in [false, true] {
            let (_gate, server, mut client, connection) = start(Plan::new(mode, 1)).await;
            match reset {
                true => connection.reset(),
                false => drop(connection),
            }

            served_by_another(&server, &mut client).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_says_farewell_idle_in_the_pool_is_not_noticed_by_clients() {
    let (_gate, server, mut client, mut connection) =
        start(Plan::new(PoolMode::Transaction, 1)).await;

    connection
        .send(&b::fatal("57P01", "terminating connection"))
        .await;
    drop(connection);

    served_by_another(&server, &mut client).await;
}

#[tokio::test]
async fn a_server_that_dies_during_a_query_is_told_to_its_client() {
    let answers: [&[Vec<u8>]; 5] = [
        &[],
        &[b::row_description(&["a"])],
        &[b::row_description(&["a"]), b::data_row(&[Some("1")])],
        &[b::command_complete("SELECT 0")],
        &[b::notice("00000", "soon")],
    ];
    for mode in MODES {
        for answer in answers {
            let (gate, server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
            client.send(&f::query("select 1")).await;
            connection.expect_query().await;
            connection.send(&answer.concat()).await;
            for message in answer {
                assert_eq!(client.expect_any().await.bytes(), *message);
            }

            drop(connection);

            told_that_the_server_is_gone(&mut client).await;
            next_is_served(&server, &gate).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_message_adds_nothing_to_it() {
    for mode in MODES {
        let (_gate, _server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
        client.send(&f::query("select 1")).await;
        connection.expect_query().await;
        let row = b::data_row(&[Some(&"x".repeat(1000))]);
        let half = [b::row_description(&["a"]), row[..500].to_vec()].concat();
        connection.send(&half).await;

        drop(connection);

        // Anything behind it would be taken for the row's own bytes.
        let end = client.read_to_end().await;
        assert!(end == half, "{mode:?}: {:?}", String::from_utf8_lossy(&end));
    }
}

#[tokio::test]
async fn a_server_that_dies_in_an_idle_transaction_is_told_at_once() {
    for mode in MODES {
        let (_gate, _server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
        client.send(&f::query("begin")).await;
        connection.expect_query().await;
        let answer = [b::command_complete("BEGIN"), b::ready(b'T')].concat();
        connection.send(&answer).await;
        client.read_until_ready().await;

        drop(connection);

        told_that_the_server_is_gone(&mut client).await;
    }
}

#[tokio::test]
async fn a_server_that_dies_in_copy_is_told_to_its_client() {
    for copy in [b::copy_in(1), b::copy_out(1)] {
        for mode in MODES {
            let (_gate, _server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
            client.send(&f::query("copy t")).await;
            connection.expect_query().await;
            connection.send(&copy).await;
            client.expect(copy[0]).await;
            client.send(&f::copy_data(b"1\n")).await;

            connection.reset();

            told_that_the_server_is_gone(&mut client).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_extended_protocol_is_told_to_its_client() {
    for mode in MODES {
        let (_gate, _server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
        client
            .send(
                &[
                    f::parse("", "select 1"),
                    f::describe_statement(""),
                    f::flush(),
                ]
                .concat(),
            )
            .await;
        connection.read_until(b'H').await;
        connection.send(&b::parse_complete()).await;
        client.expect(b'1').await;

        drop(connection);

        told_that_the_server_is_gone(&mut client).await;
    }
}

#[tokio::test]
async fn what_the_server_said_before_it_went_is_said_once() {
    let (_gate, _server, mut client, mut connection) = start(Plan::new(PoolMode::Session, 1)).await;
    client.send(&f::query("select 1")).await;
    connection.expect_query().await;

    connection.send(&b::fatal("57P01", "shutting down")).await;
    drop(connection);

    let error = client.expect_error("57P01").await;
    assert_eq!(error.text(), "shutting down");
    client.expect_closed().await;
}

#[tokio::test]
async fn a_server_that_dies_or_hangs_during_reset_is_replaced() {
    for hangs in [false, true] {
        let plan = Plan::new(PoolMode::Session, 1)
            .pool(|pool| pool.reset_timeout = Duration::from_millis(200));
        let (gate, server, mut client, mut connection) = start(plan).await;
        client.send(&f::query("select 1")).await;
        connection.expect_query().await;
        connection.send(&one_row("1")).await;
        client.read_until_ready().await;
        client.terminate().await;
        assert_eq!(connection.expect_query().await, "DISCARD ALL");

        match hangs {
            true => connection.expect_closed().await,
            false => drop(connection),
        }

        next_is_served(&server, &gate).await;
    }
}

#[tokio::test]
async fn a_reset_that_the_server_refuses_gives_nobody_the_connection() {
    let (gate, server, mut client, mut connection) = start(Plan::new(PoolMode::Session, 1)).await;
    client.send(&f::query("begin")).await;
    connection.expect_query().await;
    connection
        .send(&[b::command_complete("BEGIN"), b::ready(b'T')].concat())
        .await;
    client.read_until_ready().await;
    client.terminate().await;
    assert_eq!(connection.expect_query().await, "ROLLBACK");
    connection
        .send(&[b::error("XX000", "no"), b::ready(b'T')].concat())
        .await;
    connection.read_until(b'Q').await;
    connection.expect_closed().await;

    next_is_served(&server, &gate).await;
}

#[tokio::test]
async fn notices_and_reports_on_an_idle_connection_do_it_no_harm() {
    let (_gate, server, mut client, mut connection) =
        start(Plan::new(PoolMode::Transaction, 1)).await;
    connection
        .send(
            &[
                b::notice("01000", "while idle"),
                b::parameter_status("in_hot_standby", "off"),
            ]
            .concat(),
        )
        .await;

    client.send(&f::query("select 1")).await;
    assert_eq!(connection.expect_query().await, "select 1");
    connection.send(&one_row("1")).await;

    let answer = client.read_until_ready().await;
    assert_eq!(values(&answer), ["1"]);
    assert!(server.try_accept(Duration::from_millis(20)).await.is_none());
}

#[tokio::test]
async fn an_idle_connection_that_says_what_nobody_asked_is_given_to_nobody() {
    let junk = [
        b::data_row(&[Some("somebody else's")]),
        b::ready(b'I'),
        b::command_complete("SELECT 1"),
        b::error("XX000", "out of the blue"),
        b"\xff\xff\xff\xff\xff\xff".to_vec(),
        b"Z\0\0\0\x01".to_vec(),
        one_row("somebody else's"),
    ];
    for mode in MODES {
        for bytes in &junk {
            let (_gate, server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
            connection.send(bytes).await;

            served_by_another(&server, &mut client).await;
        }
    }
}

#[tokio::test]
async fn an_answer_too_many_never_reaches_another_client() {
    for mode in MODES {
        let (gate, server, mut one, mut connection) = start(Plan::new(mode, 1)).await;
        one.send(&f::query("select 1")).await;
        connection.expect_query().await;

        connection
            .send(&[one_row("1"), one_row("too many")].concat())
            .await;

        let answer = one.read_until_ready().await;
        assert_eq!(values(&answer), ["1"], "{mode:?}");
        drop((one, connection));
        next_is_served(&server, &gate).await;
    }
}

#[tokio::test]
async fn an_error_without_an_sqlstate_is_passed_on_as_it_is() {
    for mode in MODES {
        let (_gate, _server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
        for body in [&b"MSomething\0\0"[..], b"\0", b""] {
            client.send(&f::query("select 1")).await;
            connection.expect_query().await;
            let error = Message::new(b'E', body).bytes();
            connection.send(&[error, b::ready(b'I')].concat()).await;

            let answer = client.read_until_ready().await;

            assert_eq!(tags(&answer), "EZ", "{mode:?}");
            assert_eq!(answer[0].body, body);
        }
    }
}

#[tokio::test]
async fn messages_that_no_server_sends_end_the_session_with_a_reason() {
    let giant = b::parameter_status("TimeZone", &"x".repeat(100_000));
    let cases: [(Vec<u8>, &str); 6] = [
        (giant, "exceeds the limit of 65536 bytes"),
        (b::ready(b'X'), "invalid message from the server"),
        (b"Z\0\0\0\x06II".to_vec(), "invalid message from the server"),
        (b"D\0\0\0\x03".to_vec(), "invalid message from the server"),
        (
            b"D\xff\xff\xff\xff".to_vec(),
            "invalid message from the server",
        ),
        (b::bind_complete(), "answers nothing that was asked"),
    ];
    for mode in MODES {
        for (bytes, reason) in &cases {
            let (gate, server, mut client, mut connection) = start(Plan::new(mode, 1)).await;
            client.send(&f::query("select 1")).await;
            connection.expect_query().await;

            connection.send(bytes).await;

            let error = client.expect_error("08006").await;
            assert!(error.text().contains(reason), "{mode:?}: {}", error.text());
            assert_eq!(
                error.hint(),
                "the server connection was closed; connect again"
            );
            client.expect_closed().await;
            connection.expect_closed().await;
            drop(connection);
            next_is_served(&server, &gate).await;
        }
    }
}
