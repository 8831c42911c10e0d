//! Pools of one endpoint with too few connections for all of them: who gets the next one.

use std::time::{Duration, Instant};

use pgmoor::settings::Timeout;
use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Postgres, RawClient, frontend as f};

use crate::fixture::{Gate, Plan, endpoint_at, values};

/// Three databases at one endpoint that allows so many connections.
async fn start(limit: usize, change: impl FnOnce(Plan) -> Plan) -> Gate {
    let postgres = Postgres::start().await;
    let endpoint = endpoint_at(&postgres.url(), Some(limit));
    let plan = Plan::new(PoolMode::Transaction, 5)
        .database("second", "primary")
        .database("third", "primary");
    let served = change(plan).serve(&[("primary", endpoint)]);
    Gate { served, postgres }
}

impl Gate {
    async fn client_of(&self, database: &str) -> RawClient {
        RawClient::login_to(self.address, "app", &self.password, database).await
    }
}

#[tokio::test]
async fn an_idle_connection_of_another_pool_makes_room_for_a_client_that_waits() {
    let gate = start(2, |plan| plan).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.query("begin").await;
    two.query("begin").await;
    one.query("commit").await;
    two.query("commit").await;
    let began = Instant::now();

    let mut other = gate.client_of("second").await;
    assert_eq!(other.value("select 'served'").await, "served");

    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(one.value("select 'again'").await, "again");
    gate.wait_for_server_connections_at_most(2).await;
}

#[tokio::test]
async fn the_connection_that_was_idle_for_longest_makes_room() {
    let gate = start(2, |plan| plan).await;
    let (mut first, mut second) = (gate.client().await, gate.client_of("second").await);
    let oldest = first.value("select pg_backend_pid()").await;
    let kept = second.value("select pg_backend_pid()").await;

    let mut third = gate.client_of("third").await;
    third.value("select 1").await;

    let left = gate
        .postgres
        .psql(&format!(
            "select string_agg(pid::text, ',') from pg_stat_activity where pid in ({oldest}, {kept})"
        ))
        .await;
    assert_eq!(left, kept);
}

#[tokio::test]
async fn a_busy_pool_leaves_its_turn_to_a_client_of_another_that_waits_longer() {
    let gate = start(1, |plan| plan).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(gate.client().await);
    }
    // There is always one more that waits for the connection.
    let load = busy.iter_mut().map(async |client| {
        loop {
            client.query("select pg_sleep(0.02)").await;
        }
    });
    let load = futures_of(load.collect());
    let other = async {
        let mut other = gate.client_of("second").await;
        other.value("select 'served'").await
    };

    tokio::select! {
        () = load => panic!("the load never ends"),
        served = other => assert_eq!(served, "served"),
    }
}

/// Waits for all at once, in this task.
async fn futures_of<F: Future<Output = ()>>(all: Vec<F>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        for one in &mut all {
            let _ = one.as_mut().poll(cx);
        }
        std::task::Poll::Pending
    })
    .await
}

#[tokio::test]
async fn a_client_that_waits_for_the_endpoint_is_told_of_its_limit() {
    let gate = start(1, |plan| {
        plan.pool(|pool| pool.checkout_timeout = Duration::from_secs(2))
    })
    .await;
    let mut holder = gate.client().await;
    holder.query("begin").await;
    let mut other = RawClient::connect(gate.address).await;
    let parameters = [("user", "app"), ("database", "second")];

    let error = other
        .expect_login_error(&parameters, &gate.password, "53300")
        .await;

    assert_eq!(
        error.hint(),
        "all 1 connections that endpoint \"primary\" allows are in use: look at SHOW SERVERS for long transactions, or raise its max_connections"
    );
}

#[tokio::test]
async fn a_busy_server_connection_is_replaced_when_it_is_too_old() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .pool(|pool| pool.lifetime = Timeout::after(Duration::from_secs(1)));
    let gate = plan.start().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(gate.client().await);
    }
    let first = clients[0].value("select pg_backend_pid()").await;
    let until = Instant::now() + Duration::from_secs(5);
    let ask = f::query("select pg_backend_pid() from pg_sleep(0.005)");
    for client in &mut clients {
        client.send(&ask).await;
    }

    // The connection is never idle: whenever one client has its answer, three wait.
    let mut turn = 0;
    loop {
        let pid = values(&clients[turn].read_until_ready().await);
        if pid != [first.clone()] {
            break;
        }
        assert!(Instant::now() < until, "the same server process for 5 s");
        clients[turn].send(&ask).await;
        turn = (turn + 1) % clients.len();
    }
}
