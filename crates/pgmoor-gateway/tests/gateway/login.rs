//! Who is let in, by what proof, and what those are told who are not.

use std::collections::BTreeMap;

use pgmoor::Secret;
use pgmoor::settings::SecretFile;
use pgmoor_gateway::settings::{PoolMode, TrustScope, UserSettings};
use pgmoor_testkit::{Postgres, RawClient, frontend as f, write_private};
use pgmoor_wire::scram::Verifier;

use crate::fixture::{Gate, Plan, endpoint_at};

fn user(password: &str, databases: &[&str]) -> UserSettings {
    UserSettings {
        password: Some(Secret::new(password.to_owned())),
        databases: databases.iter().map(ToString::to_string).collect(),
        ..UserSettings::default()
    }
}

fn with_users(users: &[(&str, UserSettings)]) -> Plan {
    let users: BTreeMap<String, UserSettings> = users
        .iter()
        .map(|(name, user)| ((*name).to_owned(), user.clone()))
        .collect();
    Plan::new(PoolMode::Transaction, 2).gateway(|gateway| gateway.auth.users = users)
}

async fn refused(gate: &Gate, user: &str, password: &str, database: &str, state: &str) -> String {
    let mut client = RawClient::connect(gate.address).await;
    let parameters = [("user", user), ("database", database)];
    let error = client
        .expect_login_error(&parameters, password, state)
        .await;
    client.expect_closed().await;
    format!("{} {}", error.text(), error.hint())
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let gate = with_users(&[("ann", user("right", &[]))]).start().await;

    let wrong = refused(&gate, "ann", "wrong", "app", "28P01").await;
    let unknown = refused(&gate, "bob", "wrong", "app", "28P01").await;
    let elsewhere = refused(&gate, "bob", "wrong", "nowhere", "28P01").await;

    assert_eq!(wrong, "password authentication failed for user \"ann\" ");
    assert_eq!(unknown, wrong.replace("ann", "bob"));
    assert_eq!(elsewhere, unknown);
    let mut ann = RawClient::login_to(gate.address, "ann", "right", "app").await;
    assert_eq!(ann.value("select 1").await, "1");
}

/// What the gateway asks of somebody, up to its challenge without the nonce.
async fn challenge(gate: &Gate, user: &str) -> (Vec<String>, String) {
    let mut client = RawClient::connect(gate.address).await;
    client.startup(&[("user", user), ("database", "app")]).await;
    let offer = client.expect(b'R').await;
    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    client.send(&f::sasl_initial("SCRAM-SHA-256", first)).await;
    let answer = client.expect(b'R').await;
    let text = String::from_utf8(answer.body[4..].to_vec()).expect("text");
    let behind = text.split_once(",s=").expect("a salt").1.to_owned();
    (offer.strings(), behind)
}

#[tokio::test]
async fn an_unknown_user_is_asked_the_same_questions_as_a_known_one() {
    let gate = with_users(&[("ann", user("right", &[]))]).start().await;

    let known = challenge(&gate, "ann").await;
    let unknown = challenge(&gate, "bob").await;
    let again = challenge(&gate, "bob").await;
    let other = challenge(&gate, "eve").await;

    assert_eq!(known.0, unknown.0);
    assert_eq!(known.1.len(), unknown.1.len());
    assert_eq!(unknown, again);
    assert_ne!(unknown.1, other.1);
}

fn stored(password: &str, iterations: u32) -> UserSettings {
    let verifier = Verifier::from_password(password, iterations).expect("a verifier");
    UserSettings {
        verifier: Some(Secret::new(verifier.format().expose().to_string())),
        ..UserSettings::default()
    }
}

#[tokio::test]
async fn an_unknown_user_is_asked_for_as_many_iterations_as_most_known_ones() {
    let gate = with_users(&[
        ("ann", stored("a", 7_777)),
        ("ben", stored("b", 7_777)),
        ("cid", stored("c", 4_096)),
    ])
    .start()
    .await;

    let known = challenge(&gate, "ann").await.1;
    let unknown = challenge(&gate, "bob").await.1;

    let iterations = |asked: &str| asked.split_once(",i=").expect("a count").1.to_owned();
    assert_eq!(iterations(&known), "7777");
    assert_eq!(iterations(&unknown), "7777");
}

#[tokio::test]
async fn users_come_from_the_settings_as_passwords_or_verifiers_and_from_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("userlist.txt");
    write_private(&file, "; users\n\"fay\" \"with \"\"quotes\"\"\"\n");
    let plan = with_users(&[("ann", user("right", &[])), ("sam", stored("stored", 4096))])
        .gateway(|gateway| gateway.auth.users_file = Some(SecretFile::new(&file)));
    let gate = plan.start().await;

    for (name, password) in [
        ("ann", "right"),
        ("sam", "stored"),
        ("fay", "with \"quotes\""),
    ] {
        let mut client = RawClient::login_to(gate.address, name, password, "app").await;
        assert_eq!(client.value("select current_user").await, "app", "{name}");
        refused(&gate, name, "wrong", "app", "28P01").await;
    }
    // With users of one's own there is none that was made up.
    refused(&gate, "app", "", "app", "28P01").await;
}

#[tokio::test]
async fn only_who_is_logged_in_learns_which_databases_there_are() {
    let plan = with_users(&[("ann", user("a", &["app"])), ("bob", user("b", &[]))])
        .database("other", "primary");
    let gate = plan.start().await;

    let all = refused(&gate, "bob", "b", "nowhere", "3D000").await;
    let own = refused(&gate, "ann", "a", "nowhere", "3D000").await;
    let denied = refused(&gate, "ann", "a", "other", "3D000").await;
    let stranger = refused(&gate, "eve", "e", "nowhere", "28P01").await;

    assert_eq!(
        all,
        "database \"nowhere\" does not exist pgmoor serves: app, other"
    );
    assert_eq!(
        own,
        "database \"nowhere\" does not exist pgmoor serves: app"
    );
    assert_eq!(
        denied,
        "database \"other\" does not exist pgmoor serves: app"
    );
    assert_eq!(stranger, "password authentication failed for user \"eve\" ");
}

#[tokio::test]
async fn a_startup_message_without_a_database_means_the_users_name() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut client = RawClient::connect(gate.address).await;

    client.login_with(&[("user", "app")], &gate.password).await;

    assert_eq!(client.value("select current_database()").await, "app");
}

#[tokio::test]
async fn without_a_name_in_the_configuration_a_database_has_the_one_that_clients_ask_for() {
    let postgres = Postgres::start().await;
    postgres.psql("create database berths").await;
    let address = postgres.url_of("app", postgres.app_password(), "");
    let served = Plan::new(PoolMode::Session, 1)
        .database("berths", "primary")
        .serve(&[("primary", endpoint_at(&address, None))]);

    for name in ["app", "berths"] {
        let mut client = RawClient::login_to(served.address, "app", &served.password, name).await;
        assert_eq!(client.value("select current_database()").await, name);
        assert_eq!(client.value("show application_name").await, "");
    }
}

#[tokio::test]
async fn a_client_that_says_goodbye_before_hello_is_told_nothing() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut client = RawClient::connect(gate.address).await;

    client.send(&f::terminate()).await;

    assert_eq!(client.read_to_end().await, b"");
}

#[tokio::test]
async fn a_second_startup_message_during_scram_is_refused() {
    // PgBouncer let it change the user (CVE-2026-107350).
    let gate = with_users(&[("ann", user("a", &[])), ("bob", user("b", &[]))])
        .start()
        .await;
    for again in [
        f::startup(f::PROTOCOL_3_0, &[("user", "bob"), ("database", "app")]),
        f::ssl_request(),
        f::query("select 1"),
        f::terminate(),
    ] {
        let mut client = RawClient::connect(gate.address).await;
        client
            .startup(&[("user", "ann"), ("database", "app")])
            .await;
        client.expect(b'R').await;

        client.send(&again).await;

        client.expect_error("08P01").await;
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn malformed_proofs_are_refused_each_with_a_protocol_error() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let lying = {
        let mut bytes = f::sasl_initial("SCRAM-SHA-256", b"n,,n=,r=abcdefghijklmnopqrstuvwx");
        let at = 5 + "SCRAM-SHA-256".len() + 1;
        bytes[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
        bytes
    };
    for bad in [
        f::sasl_initial("SCRAM-SHA-1", b"n,,n=,r=abcdefghijklmnopqrstuvwx"),
        f::sasl_initial(
            "SCRAM-SHA-256-PLUS",
            b"p=tls-server-end-point,,n=,r=abcdefghijklmnop",
        ),
        f::sasl_initial("SCRAM-SHA-256", b""),
        f::sasl_initial("SCRAM-SHA-256", b"n,,n=,r="),
        f::sasl_initial("SCRAM-SHA-256", b"n,a=other,n=,r=abcdefghijklmnopqrstuvwx"),
        f::sasl_initial("SCRAM-SHA-256", b"\0\xff\xfe"),
        f::sasl_initial("SCRAM-SHA-256", &[b'r'; 20_000]),
        f::password("app"),
        lying,
        vec![b'p', 0x7f, 0xff, 0xff, 0xff],
        vec![b'p', 0, 0, 0, 0],
    ] {
        let mut client = RawClient::connect(gate.address).await;
        client
            .startup(&[("user", "app"), ("database", "app")])
            .await;
        client.expect(b'R').await;
        client.send(&bad).await;

        let error = client.expect(b'E').await;

        assert!(
            ["08P01", "28000", "0A000"].contains(&&*error.sqlstate()),
            "{error:?} to {bad:?}"
        );
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn trust_lets_in_listed_users_from_the_configured_place_only() {
    let dir = tempfile::tempdir().expect("a directory");
    for (trusted, other) in [
        (TrustScope::Unix, TrustScope::Loopback),
        (TrustScope::Loopback, TrustScope::Unix),
    ] {
        let sockets = dir.path().join(format!("{trusted:?}"));
        let plan = with_users(&[("ann", user("right", &[]))]).gateway(|gateway| {
            gateway.unix_sockets = vec![sockets.clone()];
            gateway.auth.trust = vec![trusted];
        });
        let gate = plan.start().await;
        let address = |scope| match scope {
            TrustScope::Unix => pgmoor_testkit::Address::from(sockets.join(".s.PGSQL.0")),
            TrustScope::Loopback => gate.address.into(),
        };

        let mut inside = RawClient::connect(address(trusted)).await;
        inside
            .startup(&[("user", "ann"), ("database", "app")])
            .await;
        assert_eq!(inside.expect(b'R').await.number(), 0, "{trusted:?}");
        inside.read_until_ready().await;
        assert_eq!(inside.value("select 1").await, "1");

        for (scope, name) in [(other, "ann"), (trusted, "bob")] {
            let mut outside = RawClient::connect(address(scope)).await;
            let parameters = [("user", name), ("database", "app")];
            outside
                .expect_login_error(&parameters, "wrong", "28P01")
                .await;
        }
    }
}

#[tokio::test]
async fn a_client_over_a_unix_socket_logs_in_with_its_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let plan = Plan::new(PoolMode::Transaction, 1)
        .gateway(|gateway| gateway.unix_sockets = vec![dir.path().to_owned()]);
    let gate = plan.start().await;
    let path = dir.path().join(".s.PGSQL.0");

    let mut client = RawClient::connect(path.as_path()).await;
    assert_eq!(client.request_tls().await, b'N');
    client.login("app", &gate.password, "app").await;

    assert_eq!(client.value("select 1").await, "1");
}

#[tokio::test]
async fn protocol_versions_and_options_are_negotiated_as_the_server_does() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let parameters = [("user", "app"), ("database", "app")];
    let hello = |version: u32, more: &[(&'static str, &'static str)]| {
        f::startup(version, &[&parameters[..], more].concat())
    };

    // 3.2 has keys longer than four bytes, which cancel as well.
    let mut new = RawClient::connect(gate.address).await;
    new.send(&hello(f::PROTOCOL_3_2, &[])).await;
    assert_eq!(new.authenticate("app", &gate.password).await.number(), 0);
    new.read_until_ready().await;
    assert_eq!(new.key.as_ref().map(|(_, key)| key.len()), Some(32));

    let old = gate.client().await;
    assert_eq!(old.key.as_ref().map(|(_, key)| key.len()), Some(4));

    // A later minor version, and options of the future, are negotiated down.
    let mut later = RawClient::connect(gate.address).await;
    later
        .send(&hello(
            (3 << 16) | 9,
            &[("_pq_.trace", "on"), ("_pq_.other", "1")],
        ))
        .await;
    let told = later.expect(b'v').await;
    assert_eq!(told.number() & 0xffff, 2);
    let text = String::from_utf8_lossy(&told.body[8..]).into_owned();
    assert_eq!(text, "_pq_.trace\0_pq_.other\0");
    assert_eq!(later.authenticate("app", &gate.password).await.number(), 0);
    later.read_until_ready().await;
    assert_eq!(later.value("select 1").await, "1");

    for (version, shown) in [(2 << 16, "2.0"), (4 << 16, "4.0")] {
        let mut client = RawClient::connect(gate.address).await;
        client.send(&hello(version, &[])).await;
        let error = client.expect_error("0A000").await;
        assert_eq!(
            error.text(),
            format!("unsupported protocol version {shown}: this server speaks 3.0 to 3.2")
        );
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn a_long_key_of_protocol_3_2_cancels() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = RawClient::connect(gate.address).await;
    let parameters = [("user", "app"), ("database", "app")];
    client.send(&f::startup(f::PROTOCOL_3_2, &parameters)).await;
    client.authenticate("app", &gate.password).await;
    client.read_until_ready().await;
    client.send(&f::query("select pg_sleep(60)")).await;
    gate.wait_for_running("select pg_sleep(60)").await;

    client.cancel().await;

    let answer = client.read_until_ready().await;
    assert_eq!(crate::fixture::error_in(&answer).sqlstate(), "57014");
}
