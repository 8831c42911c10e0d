//! What a client sets follows it from one server connection to the next, and nobody else sees it.

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{RawClient, frontend as f, tags};

use crate::fixture::{Gate, MODES, both_ways, error_in, extended, values};

async fn show(client: &mut RawClient, name: &str) -> String {
    client.value(&format!("show {name}")).await
}

#[tokio::test]
async fn startup_parameters_follow_their_client_and_do_not_leak() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        let mut one = gate
            .client_with(&[
                ("search_path", "one, public"),
                (
                    "options",
                    "-c lock_timeout=7s --statement-timeout=8s -c work_mem=9MB",
                ),
                ("application_name", "first"),
                ("my.own", "mine"),
            ])
            .await;
        let mut two = gate.client().await;

        for _ in 0..3 {
            assert_eq!(
                show(&mut one, "search_path").await,
                "one, public",
                "{mode:?}"
            );
            assert_eq!(show(&mut one, "lock_timeout").await, "7s");
            assert_eq!(show(&mut one, "statement_timeout").await, "8s");
            assert_eq!(show(&mut one, "work_mem").await, "9MB");
            assert_eq!(show(&mut one, "application_name").await, "first");
            assert_eq!(show(&mut one, "my.own").await, "mine");
            assert_eq!(show(&mut two, "search_path").await, "\"$user\", public");
            assert_eq!(show(&mut two, "lock_timeout").await, "0");
            assert_eq!(show(&mut two, "work_mem").await, "4MB");
            assert_eq!(
                two.value("select coalesce(current_setting('my.own', true), '')")
                    .await,
                ""
            );
        }
    }
}

#[tokio::test]
async fn what_the_server_reports_to_a_client_is_what_it_asked_for() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut one = gate
            .client_with(&[
                ("application_name", "first"),
                ("TimeZone", "Asia/Tokyo"),
                ("client_encoding", "LATIN1"),
            ])
            .await;
        assert_eq!(one.parameter("application_name"), Some("first"), "{mode:?}");
        assert_eq!(one.parameter("TimeZone"), Some("Asia/Tokyo"));
        assert_eq!(one.parameter("client_encoding"), Some("LATIN1"));
        one.query("select 1").await;
        one.terminate().await;

        let two = gate.client().await;

        assert_eq!(two.parameter("TimeZone"), Some("UTC"), "{mode:?}");
        assert_eq!(two.parameter("client_encoding"), Some("UTF8"));
        assert!(two.parameter("server_version").is_some());
    }
}

#[tokio::test]
async fn a_startup_parameter_that_the_server_refuses_is_refused_at_login_in_its_words() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let cases = [
            (
                ("lock_timeout", "soon"),
                "22023",
                "invalid value for parameter \"lock_timeout\": \"soon\"",
            ),
            (
                ("no_such_thing", "1"),
                "42704",
                "unrecognized configuration parameter \"no_such_thing\"",
            ),
            (
                ("options", "-c port=1"),
                "55P02",
                "parameter \"port\" cannot be changed without restarting the server",
            ),
            (
                ("options", "-fs"),
                "0A000",
                "unsupported startup option \"-fs\"",
            ),
            (
                ("options", "-c="),
                "0A000",
                "unsupported startup option \"-c=\"",
            ),
        ];
        for (parameter, sqlstate, text) in cases {
            let mut client = RawClient::connect(gate.address).await;
            let all = [("user", "app"), ("database", "app"), parameter];
            let error = client
                .expect_login_error(&all, &gate.password, sqlstate)
                .await;
            assert_eq!(error.text(), text, "{mode:?}");
            assert_eq!(error.fields()[&'S'], "FATAL");
            client.expect_closed().await;
        }
        assert_eq!(gate.client().await.value("select 1").await, "1");
    }
}

#[tokio::test]
async fn a_startup_parameter_is_a_value_and_never_sql() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let hostile = "x'); drop table t; select ('\\";
        let mut client = gate
            .client_with(&[("application_name", hostile), ("my.own", hostile)])
            .await;

        assert_eq!(
            show(&mut client, "application_name").await,
            hostile,
            "{mode:?}"
        );
        assert_eq!(show(&mut client, "my.own").await, hostile);
    }
}

#[tokio::test]
async fn set_sticks_to_its_client_alone() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);

    one.query("set work_mem to '11MB'").await;
    one.query("set search_path = a, \"B\"").await;
    one.query("set time zone 'Asia/Tokyo'").await;
    one.query("begin; set lock_timeout to '3s'; commit").await;

    assert_eq!(show(&mut two, "work_mem").await, "4MB");
    assert_eq!(show(&mut two, "search_path").await, "\"$user\", public");
    assert_eq!(show(&mut two, "timezone").await, "UTC");
    assert_eq!(show(&mut two, "lock_timeout").await, "0");
    assert_eq!(show(&mut one, "work_mem").await, "11MB");
    assert_eq!(show(&mut one, "search_path").await, "a, \"B\"");
    assert_eq!(show(&mut one, "timezone").await, "Asia/Tokyo");
    assert_eq!(show(&mut one, "lock_timeout").await, "3s");
}

#[tokio::test]
async fn set_through_the_extended_protocol_sticks_too() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    for name in ["", "named"] {
        let value = format!("{}MB", 20 + name.len());
        let answer = one
            .pipeline(&[
                f::parse(name, &format!("set work_mem to '{value}'")),
                f::bind("", name, &[]),
                f::execute("", 0),
                f::sync(),
            ])
            .await;

        assert_eq!(tags(&answer), "12CZ");
        assert_eq!(show(&mut two, "work_mem").await, "4MB");
        assert_eq!(show(&mut one, "work_mem").await, value);
    }
}

#[tokio::test]
async fn what_is_rolled_back_or_local_does_not_stick() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.query("set work_mem to '11MB'").await;

    for sql in [
        "begin; set work_mem to '12MB'; rollback",
        "begin; set local work_mem to '12MB'; commit",
        "set work_mem to '12MB'; select 1/0",
        "begin; savepoint a; set work_mem to '12MB'; rollback to a; commit",
        "select set_config('work_mem', '12MB', true)",
    ] {
        one.query(sql).await;
        assert_eq!(show(&mut one, "work_mem").await, "11MB", "{sql}");
    }
    one.query("begin").await;
    one.query("set work_mem to '13MB'").await;
    assert_eq!(show(&mut one, "work_mem").await, "13MB");
    one.query("rollback").await;
    one.terminate().await;

    assert_eq!(show(&mut two, "work_mem").await, "4MB");
}

#[tokio::test]
async fn reset_goes_back_to_what_the_client_asked_for_at_its_start() {
    for reset in [
        "reset work_mem",
        "reset all",
        "set work_mem to default",
        "discard all",
    ] {
        for mode in MODES {
            let gate = Gate::start(mode, 1).await;
            let mut client = gate
                .client_with(&[("work_mem", "9MB"), ("lock_timeout", "1s"), ("my.own", "x")])
                .await;
            client.query("set work_mem to '11MB'").await;
            client.query("set lock_timeout to '2s'").await;

            client.query(reset).await;

            let other = if reset.contains("work_mem") {
                "2s"
            } else {
                "1s"
            };
            assert_eq!(
                show(&mut client, "work_mem").await,
                "9MB",
                "{mode:?} {reset}"
            );
            assert_eq!(
                show(&mut client, "lock_timeout").await,
                other,
                "{mode:?} {reset}"
            );
            assert_eq!(show(&mut client, "my.own").await, "x", "{mode:?} {reset}");
        }
    }
}

#[tokio::test]
async fn a_time_zone_that_is_reset_is_the_one_that_the_client_asked_for() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client_with(&[("TimeZone", "Asia/Tokyo")]).await;
        for reset in [
            "reset time zone",
            "set time zone local",
            "set time zone default",
        ] {
            client.query("set time zone 'America/Lima'").await;

            client.query(reset).await;

            let now = show(&mut client, "timezone").await;
            assert_eq!(now, "Asia/Tokyo", "{mode:?} {reset}");
        }
    }
}

#[tokio::test]
async fn in_session_mode_a_reset_counts_at_once_also_in_a_transaction_and_a_function() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut client = gate
        .client_with(&[("options", "-c work_mem=9MB"), ("TimeZone", "Asia/Tokyo")])
        .await;
    client.query("set work_mem to '11MB'").await;
    client.query("begin").await;

    client.query("set local work_mem to default").await;

    assert_eq!(show(&mut client, "work_mem").await, "9MB");
    client.query("commit").await;
    assert_eq!(show(&mut client, "work_mem").await, "11MB");
    let code = "set work_mem to default; set timezone to utc; reset timezone";
    client.query(&format!("do 'begin {code}; end'")).await;
    assert_eq!(show(&mut client, "work_mem").await, "9MB");
    assert_eq!(show(&mut client, "timezone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn in_session_mode_clients_that_ask_for_the_same_share_a_server_connection() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut processes = std::collections::BTreeSet::new();
    for name in ["one", "two", "three"] {
        let parameters = [("application_name", name), ("work_mem", "9MB")];
        let mut client = gate.client_with(&parameters).await;
        assert_eq!(show(&mut client, "application_name").await, name);
        assert_eq!(show(&mut client, "work_mem").await, "9MB");
        processes.insert(client.value("select pg_backend_pid()").await);
        client.terminate().await;
    }

    assert_eq!(processes.len(), 1, "{processes:?}");
}

#[tokio::test]
async fn in_session_mode_clients_that_ask_for_different_things_take_turns() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut turns = tokio::task::JoinSet::new();
    for turn in 0..24 {
        let (address, password) = (gate.address, gate.password.clone());
        turns.spawn(async move {
            let wanted = format!("{}MB", 4 + turn % 3);
            let all = [("user", "app"), ("database", "app"), ("work_mem", &*wanted)];
            let parameters = if turn % 3 == 0 { &all[..2] } else { &all };
            let mut client = RawClient::connect(address).await;
            client.login_with(parameters, &password).await;
            let has = show(&mut client, "work_mem").await;
            client.terminate().await;
            (turn, wanted, has)
        });
    }

    for (turn, wanted, has) in turns.join_all().await {
        assert_eq!(has, wanted, "client {turn}");
    }
}

#[tokio::test]
async fn in_session_mode_what_the_server_refuses_at_its_start_ends_nobody_elses_wait() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let mut holder = gate.client().await;
    holder.query("select 1").await;
    let mut waiting = gate.client().await;
    waiting.send(&f::query("select 2")).await;
    let waits = async {
        waiting.read_until_ready().await;
        waiting.terminate().await;
    };
    let mut refused = RawClient::connect(gate.address).await;
    let all = [
        ("user", "app"),
        ("database", "app"),
        ("lock_timeout", "soon"),
    ];
    let refusal = refused.expect_login_error(&all, &gate.password, "22023");

    let (error, (), ()) = tokio::join!(refusal, waits, holder.terminate());

    assert_eq!(
        error.text(),
        "invalid value for parameter \"lock_timeout\": \"soon\""
    );
}

#[tokio::test]
async fn set_config_for_the_session_keeps_the_server_connection() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);

    one.query("select set_config('work_mem', '11MB', false)")
        .await;

    for _ in 0..3 {
        assert_eq!(show(&mut two, "work_mem").await, "4MB");
        assert_eq!(show(&mut one, "work_mem").await, "11MB");
    }
}

#[tokio::test]
async fn what_a_sequence_gave_is_not_asked_of_another_clients_server_connection() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.query("create sequence berths").await;
    two.query("select nextval('berths')").await;

    for sql in ["select currval('berths')", "select lastval()"] {
        for answer in both_ways(&mut one, sql).await {
            let error = error_in(&answer);
            assert_eq!(error.sqlstate(), "0A000");
            assert_eq!(
                error.text(),
                "currval and lastval cannot be used outside of a transaction in transaction pooling"
            );
        }
    }
    one.query("begin; select nextval('berths')").await;
    assert_eq!(one.value("select currval('berths')").await, "2");
    let last = extended(&mut one, "select lastval()").await;
    assert_eq!(values(&last), ["2"]);
    one.query("commit").await;
    assert_eq!(
        one.value("select nextval('berths') + currval('berths')")
            .await,
        "6"
    );
}
