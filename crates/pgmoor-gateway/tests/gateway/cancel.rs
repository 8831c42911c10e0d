//! Cancel requests reach the query they are meant for, and no other.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{RawClient, frontend as f, wait_for};

use crate::fixture::{Gate, MODES, error_in, values};

const LONG: &str = "select pg_sleep(60)";

/// Waits until the server runs so many of the long queries.
async fn wait_for_sleepers(gate: &Gate, count: usize) {
    wait_for("queries that run", Duration::from_secs(10), async || {
        let sql = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' \
                   and state = 'active'";
        gate.postgres.psql(sql).await == count.to_string()
    })
    .await;
}

#[tokio::test]
async fn a_cancel_ends_the_query_of_its_client_and_of_nobody_else() {
    for mode in MODES {
        let gate = Gate::start(mode, 4).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = gate.client().await;
            client.send(&f::query(LONG)).await;
            clients.push(client);
        }
        wait_for_sleepers(&gate, 3).await;

        clients[1].cancel().await;

        let answer = clients[1].read_until_ready().await;
        assert_eq!(error_in(&answer).sqlstate(), "57014", "{mode:?}");
        wait_for_sleepers(&gate, 2).await;
        assert_eq!(clients[1].value("select 'on'").await, "on");
        for other in [0, 2] {
            clients[other]
                .expect_silence(Duration::from_millis(50))
                .await;
        }
    }
}

#[tokio::test]
async fn a_wrong_key_cancels_nothing_and_is_not_answered() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let mut client = gate.client().await;
    client.send(&f::query(LONG)).await;
    wait_for_sleepers(&gate, 1).await;
    let (pid, key) = client.key.clone().expect("a key");

    let wrong: Vec<u8> = key.iter().map(|byte| !byte).collect();
    let longer = [&key[..], &[0; 4]].concat();
    for (pid, key) in [
        (pid, &wrong),
        (pid, &longer),
        (pid + 1, &key),
        (0, &key),
        (-1, &key),
    ] {
        RawClient::cancel_at(gate.address, pid, key).await;
    }

    client.expect_silence(Duration::from_millis(100)).await;
    client.cancel().await;
    let answer = client.read_until_ready().await;
    assert_eq!(error_in(&answer).sqlstate(), "57014");
}

#[tokio::test]
async fn the_key_of_a_client_that_left_cancels_nothing() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let gone = gate.client().await;
    let (pid, key) = gone.key.clone().expect("a key");
    gone.terminate().await;
    let mut client = gate.client().await;
    client.send(&f::query("select pg_sleep(0.3), 'done'")).await;
    wait_for_sleepers(&gate, 1).await;

    RawClient::cancel_at(gate.address, pid, &key).await;

    assert_eq!(values(&client.read_until_ready().await).len(), 1);
}

#[tokio::test]
async fn the_key_of_an_idle_client_does_not_reach_who_has_its_server_connection_now() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut idle = gate.client().await;
    idle.query("select 1").await;
    let mut busy = gate.client().await;
    busy.send(&f::query("select pg_sleep(0.3), 'done'")).await;
    wait_for_sleepers(&gate, 1).await;

    idle.cancel().await;

    assert_eq!(values(&busy.read_until_ready().await).len(), 1);
    assert_eq!(idle.value("select 2").await, "2");
}

#[tokio::test]
async fn a_late_cancel_never_hits_the_next_client() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    let (pid, key) = one.key.clone().expect("a key");
    for round in 0..40 {
        // The cancel races with the end of a query that is as short as can be.
        one.send(&f::query("select 1")).await;
        two.send(&f::query("select pg_sleep(0.005), 'two'")).await;
        RawClient::cancel_at(gate.address, pid, &key).await;

        let answer = two.read_until_ready().await;
        assert!(answer.iter().all(|m| m.tag != b'E'), "{round}: {answer:?}");
        one.read_until_ready().await;
    }
}

#[tokio::test]
async fn a_client_that_vanishes_has_its_query_cancelled_and_frees_its_place() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        client.send(&f::query(LONG)).await;
        wait_for_sleepers(&gate, 1).await;

        client.reset();

        wait_for_sleepers(&gate, 0).await;
        assert_eq!(gate.client().await.value("select 1").await, "1", "{mode:?}");
    }
}

#[tokio::test]
async fn a_driver_cancels_through_the_gateway() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let client = gate.driver().await;
    let token = client.cancel_token();

    let query = client.simple_query(LONG);
    let cancel = async {
        wait_for_sleepers(&gate, 1).await;
        token.cancel_query(tokio_postgres::NoTls).await
    };
    let (outcome, cancelled) = tokio::join!(query, cancel);

    cancelled.expect("delivered");
    let error = outcome.expect_err("cancelled");
    assert_eq!(
        error.code(),
        Some(&tokio_postgres::error::SqlState::QUERY_CANCELED)
    );
}

#[tokio::test]
async fn what_waits_for_a_server_connection_is_cancelled_and_never_runs() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        gate.postgres
            .psql("create table t (a text); grant all on t to app")
            .await;
        let (mut simple, mut extended) = (gate.client().await, gate.client().await);
        let traffic = gate.gateway.traffic();
        traffic.pause("app").expect("paused");
        let long = format!("insert into t values ('{}')", "x".repeat(200_000));
        simple.send(&f::query(&long)).await;
        let batch = [
            f::parse("s", "insert into t values ('b')"),
            f::bind("", "s", &[]),
            f::execute("", 0),
        ];
        extended.send(&batch.concat()).await;
        for client in [&mut simple, &mut extended] {
            client.expect_silence(Duration::from_millis(50)).await;
        }

        simple.cancel().await;
        extended.cancel().await;

        let answer = simple.read_until_ready().await;
        assert_eq!(error_in(&answer).sqlstate(), "57014", "{mode:?}");
        extended.send(&f::execute("", 0)).await;
        extended.send(&f::sync()).await;
        let answer = extended.read_until_ready().await;
        assert_eq!(answer.len(), 2, "{answer:?}");
        assert_eq!(error_in(&answer).sqlstate(), "57014", "{mode:?}");
        traffic.resume("app").expect("resumed");
        assert_eq!(simple.value("select count(*) from t").await, "0");
        simple.terminate().await;
        let again = [
            f::parse("s", "select 'parsed'"),
            f::bind("", "s", &[]),
            f::execute("", 0),
            f::sync(),
        ];
        assert_eq!(values(&extended.pipeline(&again).await), ["parsed"]);
    }
}

#[tokio::test]
async fn of_several_statements_that_wait_a_cancel_takes_the_first() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");
    let both = [f::query("select 'first'"), f::query("select 'second'")];
    client.send(&both.concat()).await;
    client.expect_silence(Duration::from_millis(50)).await;

    client.cancel().await;

    let first = client.read_until_ready().await;
    assert_eq!(error_in(&first).sqlstate(), "57014");
    client.expect_silence(Duration::from_millis(50)).await;
    traffic.resume("app").expect("resumed");
    assert_eq!(values(&client.read_until_ready().await), ["second"]);
}
