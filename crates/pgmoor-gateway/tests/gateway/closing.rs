//! A client is gone, and what it ran is not: the server connection counts until its process ended.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{RawClient, frontend as f, wait_for_value};

use crate::fixture::{Gate, MODES, Plan};

const A_MOMENT: Duration = Duration::from_millis(30);
const LATE: &str = "insert into late select 1 from pg_sleep(60)";
/// Runs until the table has a row, whoever wants to cancel it.
const STUBBORN: &str = "do $$ begin while not exists (select from late) loop \
     begin perform pg_sleep(0.02); exception when query_canceled then null; end; \
     end loop; end $$";

async fn table(gate: &Gate) {
    let sql = "create table late (a int); grant all on late to app";
    gate.postgres.psql(sql).await;
}

async fn busy(gate: &Gate) -> String {
    let sql = "select count(*) from pg_stat_activity where usename = 'app' and state <> 'idle'";
    gate.postgres.psql(sql).await
}

async fn runs(gate: &Gate, sql: &str) -> RawClient {
    let mut client = gate.client().await;
    client.send(&f::query(sql)).await;
    gate.wait_for_running(sql).await;
    client
}

#[tokio::test]
async fn a_drain_that_ended_clients_is_done_when_their_statements_are() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        table(&gate).await;
        let mut client = runs(&gate, LATE).await;
        let traffic = gate.gateway.traffic();
        traffic.pause("app").expect("paused");

        traffic.end_holders("app").expect("ended");
        client.expect_error("57P01").await;
        let drained = traffic.drain("app", Duration::from_secs(10)).await;

        assert_eq!(busy(&gate).await, "0", "{mode:?}");
        assert!(drained.expect("drained").is_done());
    }
}

#[tokio::test]
async fn a_stop_leaves_no_statement_behind_that_it_took_the_client_from() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    table(&gate).await;
    let mut client = runs(&gate, LATE).await;
    let Gate { served, postgres } = gate;

    served.gateway.stop(Duration::from_millis(100)).await;

    let sql = "select count(*) from pg_stat_activity where usename = 'app'";
    assert_eq!(postgres.psql(sql).await, "0");
    client.expect_error("57P01").await;
}

#[tokio::test]
async fn a_place_in_the_pool_is_free_when_the_server_process_has_ended() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        table(&gate).await;
        let mut next = gate.client().await;
        let gone = runs(&gate, STUBBORN).await;

        gone.reset();
        next.send(&f::query("select 'next'")).await;

        next.expect_silence(10 * A_MOMENT).await;
        gate.postgres.psql("insert into late values (1)").await;
        let answer = next.read_until_ready().await;
        assert_eq!(crate::fixture::values(&answer), ["next"], "{mode:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_proven_to_have_ended_is_named_until_the_database_is_resumed() {
    let plan = Plan::new(PoolMode::Transaction, 2)
        .pool(|pool| pool.cancel_timeout = Duration::from_millis(200));
    let gate = plan.start().await;
    table(&gate).await;
    let _client = runs(&gate, STUBBORN).await;
    let sql = "select pid from pg_stat_activity where usename = 'app' and state = 'active'";
    let pid: i32 = gate.postgres.psql(sql).await.parse().expect("a number");
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");
    traffic.end_holders("app").expect("ended");

    let drained = traffic.drain("app", Duration::from_secs(10)).await;

    let drained = drained.expect("drained");
    assert_eq!(drained.remaining, 0);
    assert!(!drained.is_done());
    let unproven = &drained.unproven[0];
    assert_eq!(
        (unproven.pid, &*unproven.endpoint),
        (Some(pid), "primary"),
        "{drained:?}"
    );
    gate.postgres.psql("insert into late values (1)").await;
    traffic.resume("app").expect("resumed");
    traffic.pause("app").expect("paused");
    let drained = traffic.drain("app", Duration::from_secs(10)).await;
    assert!(drained.expect("drained").is_done());
}

#[tokio::test]
async fn what_was_asked_before_the_goodbye_is_done() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        table(&gate).await;
        let mut client = gate.client().await;
        let double = STUBBORN.replace(
            "end loop; end $$",
            "end loop; insert into late values (2); end $$",
        );

        client
            .send(&[f::query(&double), f::terminate()].concat())
            .await;
        gate.wait_for_running(&double).await;
        let traffic = gate.gateway.traffic();
        traffic.pause("app").expect("paused");
        let early = traffic.drain("app", Duration::from_millis(100)).await;
        assert_eq!(early.expect("drained").remaining, 1);
        gate.postgres.psql("insert into late values (1)").await;
        let drained = traffic.drain("app", Duration::from_secs(10)).await;

        assert!(drained.expect("drained").is_done());
        let rows = gate.postgres.psql("select count(*) from late").await;
        assert_eq!(rows, "2", "{mode:?}");
    }
}

#[tokio::test]
async fn what_was_asked_before_the_goodbye_ends_when_its_database_is_killed() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    table(&gate).await;
    let mut client = gate.client().await;
    client
        .send(&[f::query(LATE), f::terminate()].concat())
        .await;
    gate.wait_for_running(LATE).await;

    gate.gateway.traffic().kill("app").expect("killed");

    let limit = Duration::from_secs(10);
    wait_for_value("busy servers", limit, "0".to_owned(), async || {
        busy(&gate).await
    })
    .await;
}
