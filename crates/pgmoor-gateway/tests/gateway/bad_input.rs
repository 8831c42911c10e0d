//! Clients that send garbage, lie about lengths, stop half-way, or talk before they log in.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Message, RawClient, ScriptedServer, frontend as f, wait_for};

use crate::fixture::{Gate, MODES, Plan, Served, values};

/// A gateway before a server that takes connections and counts them.
async fn guarded(plan: Plan) -> (Served, pgmoor_testkit::Serving) {
    let server = ScriptedServer::tcp()
        .await
        .serve(|mut connection| async move {
            connection.welcome().await;
            connection.behave().await;
        });
    (plan.before_port(server.port()), server)
}

fn lengths(tag: &[u8]) -> Vec<Vec<u8>> {
    [0_u32, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x4000_0001]
        .iter()
        .map(|length| [tag, &length.to_be_bytes(), b"abcdefgh"].concat())
        .collect()
}

#[tokio::test]
async fn garbage_before_login_is_refused_and_reaches_no_server() {
    let (gate, server) = guarded(Plan::new(PoolMode::Session, 1)).await;
    let mut bad = lengths(b"");
    bad.push(b"GET / HTTP/1.1\r\nHost: pgmoor\r\n\r\n".to_vec());
    bad.push(f::query("drop table t"));
    bad.push([b"\0\0\0\x08", &[0xff; 4][..]].concat());
    bad.push([&10_001_u32.to_be_bytes()[..], b"\0\x03\0\0"].concat());
    // A startup message without its last zero, and one that is not UTF-8.
    bad.push([b"\0\0\0\x10", &b"\0\x03\0\0user\0app"[..]].concat());
    bad.push([b"\0\0\0\x10", &b"\0\x03\0\0\xff\xfe\0\xff\xfe\0\0\0"[..]].concat());
    // A cancel request that is too short to have a key.
    bad.push([b"\0\0\0\x0a", &b"\x04\xd2\x16\x2e\0\0"[..]].concat());

    for bytes in bad {
        let mut client = RawClient::connect(gate.address).await;
        client.send(&bytes).await;

        let error = client.expect(b'E').await;

        assert!(
            ["08P01", "0A000"].contains(&&*error.sqlstate()),
            "{error:?} to {bytes:?}"
        );
        assert_eq!(error.fields()[&'S'], "FATAL");
        client.expect_closed().await;
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_startup_message_without_a_user_is_refused() {
    let (gate, server) = guarded(Plan::new(PoolMode::Session, 1)).await;
    let mut client = RawClient::connect(gate.address).await;
    client.startup(&[("database", "app")]).await;

    let error = client.expect_error("28000").await;

    assert_eq!(error.text(), "no user name in the startup message");
    client.expect_closed().await;
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn half_a_message_before_login_is_told_and_closed_after_the_login_timeout() {
    let limit = Duration::from_millis(300);
    let plan = Plan::new(PoolMode::Session, 1).gateway(|gateway| gateway.login_timeout = limit);
    let (gate, server) = guarded(plan).await;
    let startup = f::startup(f::PROTOCOL_3_0, &[("user", "app"), ("database", "app")]);
    let half = &startup[..startup.len() / 2];
    for bytes in [&[][..], &startup[..3], half, &startup, &f::ssl_request()] {
        let mut client = RawClient::connect(gate.address).await;
        client.send(bytes).await;
        let began = Instant::now();

        let end = client.read_to_end().await;

        assert!(began.elapsed() >= limit - Duration::from_millis(50));
        let text = String::from_utf8_lossy(&end).into_owned();
        assert!(
            text.contains("C57014") && text.contains("login_timeout"),
            "{text:?} to {bytes:?}"
        );
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn many_silent_sockets_keep_nobody_out_and_are_closed() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .gateway(|gateway| gateway.login_timeout = Duration::from_secs(2));
    let gate = plan.start().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(RawClient::connect(gate.address).await);
    }

    assert_eq!(gate.client().await.value("select 1").await, "1");

    let all_closed = async || gate.gateway.clients() == 0;
    wait_for(
        "silent sockets are closed",
        Duration::from_secs(8),
        all_closed,
    )
    .await;
}

#[tokio::test]
async fn a_login_byte_by_byte_works() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut client = RawClient::connect(gate.address).await;
    client
        .send_bytewise(&f::startup(
            f::PROTOCOL_3_0,
            &[("user", "app"), ("database", "app")],
        ))
        .await;
    client.authenticate("app", &gate.password).await;
    client.read_until_ready().await;

    client.send_bytewise(&f::query("select 'slowly'")).await;

    assert_eq!(values(&client.read_until_ready().await), ["slowly"]);
}

#[tokio::test]
async fn wrong_lengths_and_tags_after_login_end_the_client_and_nobody_else() {
    for mode in MODES {
        let gate = Gate::start(mode, 4).await;
        let mut other = gate.client().await;
        let mut bad: Vec<Vec<u8>> = lengths(b"Q");
        bad.extend(lengths(b"S"));
        bad.extend(lengths(b"B"));
        bad.push(Message::new(b'\0', []).bytes());
        bad.push(Message::new(b'Z', *b"I").bytes());
        bad.push(f::password("secret"));
        bad.push(Message::new(b'P', *b"no zero").bytes());
        bad.push(Message::new(b'S', *b"longer than a sync").bytes());
        for bytes in &bad {
            for in_transaction in [false, true] {
                let mut client = gate.client().await;
                if in_transaction {
                    client.query("begin").await;
                }

                client.send(bytes).await;

                if mode == PoolMode::Session
                    && matches!(bytes[0], b'P' | b'Q' | b'B')
                    && bytes[1] == 0
                {
                    // A message that is only wrong inside is the server's to judge.
                    continue;
                }
                let error = client.expect(b'E').await;
                assert_eq!(error.sqlstate(), "08P01", "{mode:?} {bytes:?}");
                assert_eq!(error.fields()[&'S'], "FATAL");
                client.expect_closed().await;
            }
            assert_eq!(other.value("select 1").await, "1", "{mode:?}");
        }
    }
}

#[tokio::test]
async fn half_a_message_after_login_holds_no_server_connection() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut halves = Vec::new();
    for message in [
        f::query(&"x".repeat(5000)),
        f::parse("", "select 1"),
        f::bind("", "nothing", &[Some("x")]),
        f::execute("portal", 0),
        f::describe_statement("nothing"),
        f::query("select 1"),
    ] {
        for cut in [1, 5, message.len() - 1] {
            let mut client = gate.client().await;
            client.send(&message[..cut]).await;
            halves.push(client);
        }
    }

    let mut client = gate.client().await;
    assert_eq!(client.value("select 1").await, "1");

    // And the half becomes a whole.
    let mut last = halves.pop().expect("the last");
    last.send(&[0]).await;
    assert_eq!(values(&last.read_until_ready().await), ["1"]);
}

#[tokio::test]
async fn a_message_that_must_be_kept_whole_has_a_limit() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;

    client
        .send(&[&b"P"[..], &(64_u32 << 20).to_be_bytes(), b"s\0select"].concat())
        .await;

    let error = client.expect_error("08P01").await;
    assert_eq!(
        error.text(),
        "message 'P' of 67108865 bytes exceeds the limit of 16777216 bytes"
    );
    client.expect_closed().await;
}

#[tokio::test]
async fn hostile_names_are_told_back_and_do_no_harm() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let long = "x".repeat(5000);
    for name in [
        "%s%n%x",
        "a\r\nFATAL: forged",
        "'; drop table t; --",
        &long,
        "pgmoor",
    ] {
        for parameters in [
            [("user", name), ("database", "app")],
            [("user", "app"), ("database", name)],
        ] {
            let mut client = RawClient::connect(gate.address).await;
            client.startup(&parameters).await;
            let mut last = client.authenticate(parameters[0].1, &gate.password).await;
            while last.tag != b'E' {
                last = client.expect_any().await;
            }
            assert!(
                ["28P01", "3D000", "42501"].contains(&&*last.sqlstate()),
                "{last:?}"
            );
        }
    }
    assert_eq!(gate.client().await.value("select 1").await, "1");
}
