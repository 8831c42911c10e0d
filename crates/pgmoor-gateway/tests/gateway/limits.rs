//! Limits: how many may connect, wait, and for how long; each told with SQLSTATE, text and hint.

use std::time::{Duration, Instant};

use pgmoor::settings::Timeout;
use pgmoor_gateway::settings::{GatewaySettings, PoolMode};
use pgmoor_testkit::{RawClient, frontend as f, wait_for};

use crate::fixture::{Gate, MODES, Plan, endpoint_at, error_in, values};

#[tokio::test]
async fn a_client_that_waits_too_long_is_told_what_to_look_at() {
    let limit = Duration::from_millis(300);
    for mode in MODES {
        let plan = Plan::new(mode, 1).pool(|pool| pool.checkout_timeout = limit);
        let gate = plan.start().await;
        let (mut holder, mut waiting) = (gate.client().await, gate.client().await);
        holder.query("begin").await;
        let began = Instant::now();

        waiting.send(&f::query("select 1")).await;
        let error = waiting.expect_error("53300").await;

        assert!(began.elapsed() >= limit);
        assert!(
            error
                .text()
                .starts_with("no server connection for database \"app\" within 0.3"),
            "{error:?}"
        );
        assert_eq!(
            error.hint(),
            "all server connections are in use: look at SHOW SERVERS for long transactions, or raise pool.size"
        );
        waiting.expect_closed().await;
        assert_eq!(holder.value("select 1").await, "1", "{mode:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_too_long_for_a_paused_database_is_told_that_it_is_paused() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .pool(|pool| pool.checkout_timeout = Duration::from_millis(200));
    let gate = plan.start().await;
    let mut client = gate.client().await;
    gate.gateway.traffic().pause("app").expect("paused");

    client.send(&f::query("select 1")).await;

    let error = client.expect_error("57P03").await;
    assert_eq!(
        error.hint(),
        "the database is paused; \"RESUME\" in the admin database lets clients go on"
    );
}

#[tokio::test]
async fn one_more_than_may_wait_is_refused_at_once() {
    let plan = Plan::new(PoolMode::Transaction, 1).pool(|pool| pool.max_waiting = 1);
    let gate = plan.start().await;
    let mut holder = gate.client().await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(gate.client().await);
    }
    holder.query("begin").await;
    for client in &mut clients {
        client.send(&f::query("select 'served'")).await;
    }

    let mut refused = 0;
    for client in &mut clients {
        client.set_patience(Duration::from_millis(300));
        let Ok(Some(error)) = client.try_next().await else {
            continue;
        };
        refused += 1;
        assert_eq!(error.sqlstate(), "53300");
        assert_eq!(
            error.text(),
            "too many clients wait for a server connection for database \"app\""
        );
        assert_eq!(
            error.hint(),
            "1 clients wait already; raise pool.size or pool.max_waiting"
        );
    }
    // Two workers may each let the first one in at the same moment.
    assert!((4..=5).contains(&refused), "{refused} were refused");
}

#[tokio::test]
async fn clients_log_in_while_all_server_connections_are_in_use() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut holder = gate.client().await;
    holder.query("begin").await;

    // As many as show that it works at both workers.
    let mut clients = Vec::new();
    for number in 0..4 {
        let name = format!("client {number}");
        clients.push(gate.client_with(&[("application_name", &name)]).await);
    }

    holder.query("commit").await;
    assert_eq!(clients[3].value("show application_name").await, "client 3");
}

#[tokio::test]
async fn one_client_more_than_allowed_is_refused_and_let_in_when_one_leaves() {
    let plan = Plan::new(PoolMode::Transaction, 2)
        .gateway(|gateway| gateway.max_client_connections = 2.try_into().expect("not zero"));
    let gate = plan.start().await;
    let (one, _two) = (gate.client().await, gate.client().await);
    let mut third = RawClient::connect(gate.address).await;
    let parameters = [("user", "app"), ("database", "app")];

    let error = third
        .expect_login_error(&parameters, &gate.password, "53300")
        .await;

    assert_eq!(error.text(), "too many client connections");
    assert_eq!(
        error.hint(),
        "raise gateway.max_client_connections, or let clients keep fewer connections"
    );
    third.expect_closed().await;
    one.terminate().await;
    let free = async || gate.gateway.clients() < 2;
    wait_for("a place is free", Duration::from_secs(5), free).await;
    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn pool_sizes_and_an_endpoints_total_are_never_exceeded() {
    let postgres = pgmoor_testkit::Postgres::start().await;
    let endpoint = endpoint_at(&postgres.url(), Some(3));
    let served = Plan::new(PoolMode::Transaction, 2)
        .database("other", "primary")
        .serve(&[("primary", endpoint)]);
    let gate = Gate { served, postgres };
    let mut clients = Vec::new();
    for index in 0..12 {
        let database = ["app", "other"][index % 2];
        let password = &gate.password;
        clients.push(RawClient::login_to(gate.address, "app", password, database).await);
    }

    for client in &mut clients {
        client
            .send(&f::query("select pg_sleep(0.05), 'done'"))
            .await;
    }
    let count = "select count(*) from pg_stat_activity where usename = 'app'";
    let seen: u32 = gate.postgres.psql(count).await.parse().expect("a number");

    assert!(seen <= 3, "{seen} server connections");
    for client in &mut clients {
        assert_eq!(values(&client.read_until_ready().await).len(), 1);
    }
}

#[tokio::test]
async fn a_transaction_left_open_is_ended_and_rolled_back() {
    for mode in MODES {
        let plan = Plan::new(mode, 1).pool(|pool| {
            pool.idle_in_transaction_timeout = Timeout::after(Duration::from_millis(200));
        });
        let gate = plan.start().await;
        let mut client = gate.client().await;
        client.query("begin; create table t (a int)").await;

        let error = client.expect_error("25P03").await;

        assert_eq!(
            error.text(),
            "terminating connection due to pool.idle_in_transaction_timeout"
        );
        client.expect_closed().await;
        let mut next = gate.client().await;
        let there = next
            .value("select count(*) from pg_class where relname = 't'")
            .await;
        assert_eq!(there, "0", "{mode:?}");
    }
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_cancelled_and_the_client_stays() {
    for mode in MODES {
        let plan = Plan::new(mode, 1)
            .pool(|pool| pool.query_timeout = Timeout::after(Duration::from_millis(200)));
        let gate = plan.start().await;
        let mut client = gate.client().await;

        let simple = client.query("select pg_sleep(60)").await;
        let extended = client
            .pipeline(&[
                f::parse("", "select pg_sleep(60)"),
                f::bind("", "", &[]),
                f::execute("", 0),
                f::sync(),
            ])
            .await;

        for answer in [&simple, &extended] {
            assert_eq!(error_in(answer).sqlstate(), "57014", "{mode:?}");
        }
        assert_eq!(client.value("select 'stays'").await, "stays");
    }
}

#[tokio::test]
async fn a_silent_client_is_ended_where_configured() {
    let plan = Plan::new(PoolMode::Transaction, 1).gateway(|gateway: &mut GatewaySettings| {
        gateway.client_idle_timeout = Timeout::after(Duration::from_secs(1));
    });
    let gate = plan.start().await;
    let mut client = gate.client().await;

    let error = client.expect_error("57P05").await;

    assert_eq!(
        error.text(),
        "terminating connection due to gateway.client_idle_timeout"
    );
    client.expect_closed().await;
}

#[tokio::test]
async fn a_client_that_waits_is_not_silent() {
    let plan = Plan::new(PoolMode::Transaction, 1).gateway(|gateway: &mut GatewaySettings| {
        gateway.client_idle_timeout = Timeout::after(Duration::from_secs(1));
    });
    let gate = plan.start().await;
    let mut client = gate.client().await;
    gate.gateway.traffic().pause("app").expect("paused");

    client.send(&f::query("select 'served'")).await;

    client.expect_silence(Duration::from_millis(1500)).await;
    gate.gateway.traffic().resume("app").expect("resumed");
    assert_eq!(values(&client.read_until_ready().await), ["served"]);
}

#[tokio::test]
async fn a_statement_that_the_server_does_not_cancel_ends_with_its_session() {
    let stubborn = "do $$ begin loop begin perform pg_sleep(0.02); \
         exception when query_canceled then null; end; end loop; end $$";
    for mode in MODES {
        let plan = Plan::new(mode, 1).pool(|pool| {
            pool.query_timeout = Timeout::after(Duration::from_millis(200));
            pool.cancel_timeout = Duration::from_millis(300);
        });
        let gate = plan.start().await;
        let mut client = gate.client().await;

        client.send(&f::query(stubborn)).await;
        let error = client.expect_error("57014").await;

        assert_eq!(
            error.text(),
            "canceling statement due to pool.query_timeout"
        );
        client.expect_closed().await;
        let what = "the place in the pool to be free again";
        wait_for(what, Duration::from_secs(20), async || {
            let next = gate.driver().await;
            next.simple_query("select 1").await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn idle_server_connections_are_kept_ready_and_closed_as_configured() {
    let plan = Plan::new(PoolMode::Transaction, 5).pool(|pool| {
        pool.min_idle = 2;
        pool.idle_timeout = Timeout::after(Duration::from_secs(1));
    });
    let gate = plan.start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = gate.client().await;
        client.query("begin").await;
        clients.push(client);
    }
    gate.wait_for_server_connections(5).await;

    for client in &mut clients {
        client.query("commit").await;
    }

    gate.wait_for_server_connections(2).await;
}

#[tokio::test]
async fn an_old_server_connection_is_replaced_between_transactions() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .pool(|pool| pool.lifetime = Timeout::after(Duration::from_secs(1)));
    let gate = plan.start().await;
    let mut client = gate.client().await;
    let first = client.value("select pg_backend_pid()").await;
    let expires = Instant::now() + Duration::from_secs(1);

    client.query("begin").await;
    while Instant::now() < expires {
        assert_eq!(client.value("select pg_backend_pid()").await, first);
        client.expect_silence(Duration::from_millis(100)).await;
    }
    client.query("commit").await;

    wait_for("a new server connection", Duration::from_secs(5), || {
        let gate = &gate;
        let first = &first;
        async move { gate.client().await.value("select pg_backend_pid()").await != *first }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_its_turn_to_the_next() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(gate.client().await);
        }
        let mut last = clients.pop().expect("five");
        let mut holder = clients.pop().expect("four");
        holder.query("begin").await;
        for client in &mut clients {
            client.send(&f::query("select 'lost'")).await;
            client.expect_silence(Duration::from_millis(20)).await;
        }
        last.send(&f::query("select 'served'")).await;
        last.expect_silence(Duration::from_millis(20)).await;

        clients.into_iter().for_each(RawClient::reset);
        holder.query("commit").await;
        holder.terminate().await;

        assert_eq!(
            values(&last.read_until_ready().await),
            ["served"],
            "{mode:?}"
        );
    }
}

/// The timers that the kernel runs for connections accepted at `port`, as `/proc/net/tcp` has them:
/// 0 for none, 2 for probes whether the other side is there.
#[cfg(target_os = "linux")]
fn timers_at(port: u16) -> Vec<String> {
    let local = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table");
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1] == local && row[3] == "01")
        .map(|row| row[5].split(':').next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_are_probed_whether_they_are_still_there() {
    let gate = Gate::start(PoolMode::Session, 1).await;
    let _client = gate.client().await;
    // What was sent last is acknowledged soon, and with that the timer for sending again stops.
    wait_for("probes of the client", Duration::from_secs(5), async || {
        timers_at(gate.address.port()) == ["02"]
    })
    .await;

    let plan = Plan::new(PoolMode::Session, 1)
        .gateway(|gateway| gateway.tcp_keepalives_idle = Timeout::OFF);
    let gate = plan.start().await;
    let _client = gate.client().await;
    wait_for("no timer", Duration::from_secs(5), async || {
        timers_at(gate.address.port()) == ["00"]
    })
    .await;
}
