//! Pause, drain, switch, resume, reload and stop, with clients at work.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Postgres, RawClient, frontend as f};

use crate::fixture::{Gate, MODES, Plan, Served, endpoint_at, endpoint_named, values};

const A_MOMENT: Duration = Duration::from_millis(30);

async fn ask(client: &mut RawClient, sql: &str) {
    client.send(&f::query(sql)).await;
    client.expect_silence(A_MOMENT).await;
}

async fn answer(client: &mut RawClient) -> Vec<String> {
    values(&client.read_until_ready().await)
}

#[tokio::test]
async fn paused_clients_wait_and_are_served_in_their_order() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        gate.postgres
            .psql("create sequence s; grant all on s to app")
            .await;
        let traffic = gate.gateway.traffic();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(gate.client().await);
        }

        traffic.pause("app").expect("there is such a database");
        for client in &mut clients {
            ask(client, "select nextval('s')").await;
        }
        gate.wait_for_server_connections(0).await;
        traffic.resume("app").expect("there is such a database");

        for (turn, mut client) in clients.into_iter().enumerate() {
            assert_eq!(
                answer(&mut client).await,
                [(turn + 1).to_string()],
                "{mode:?}"
            );
            client.terminate().await;
        }
    }
}

#[tokio::test]
async fn a_client_can_connect_to_a_paused_database_and_waits_there() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    gate.client().await.terminate().await;
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");
    let login = async {
        let mut client = gate.client().await;
        client.value("select 1").await
    };
    tokio::pin!(login);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut login).await;
    assert!(early.is_err(), "it did not wait");

    traffic.resume("app").expect("resumed");

    assert_eq!(login.await, "1");
}

#[tokio::test]
async fn drain_waits_for_the_open_transaction_which_goes_on_to_its_end() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.query("begin").await;
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");
    ask(&mut two, "select 'two'").await;

    let early = traffic.drain("app", Duration::from_millis(100)).await;
    assert_eq!(early.expect("drained").remaining, 1);
    assert_eq!(one.value("select 'one'").await, "one");
    let (drained, _) = tokio::join!(
        traffic.drain("app", Duration::from_secs(5)),
        one.query("commit")
    );

    assert_eq!(drained.expect("drained").remaining, 0);
    two.expect_silence(A_MOMENT).await;
    traffic.resume("app").expect("resumed");
    assert_eq!(answer(&mut two).await, ["two"]);
    assert_eq!(one.value("select 'again'").await, "again");
}

#[tokio::test]
async fn those_who_hold_on_can_be_ended_with_a_code_at_which_drivers_connect_again() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        let (mut holder, idle) = (gate.client().await, gate.client().await);
        holder.query("begin").await;
        let traffic = gate.gateway.traffic();
        traffic.pause("app").expect("paused");

        traffic.end_holders("app").expect("ended");

        holder.expect_error("57P01").await;
        holder.expect_closed().await;
        let drained = traffic.drain("app", Duration::from_secs(5)).await;
        assert_eq!(drained.expect("drained").remaining, 0, "{mode:?}");
        traffic.resume("app").expect("resumed");
        let mut idle = idle;
        assert_eq!(idle.value("select 1").await, "1");
    }
}

#[tokio::test]
async fn a_paused_database_lets_no_replication_connection_in() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    gate.postgres.psql("alter role app replication").await;
    gate.gateway.traffic().pause("app").expect("paused");
    let mut client = RawClient::connect(gate.address).await;
    let parameters = [
        ("user", "app"),
        ("database", "app"),
        ("replication", "database"),
    ];

    let error = client
        .expect_login_error(&parameters, &gate.password, "57P03")
        .await;

    assert_eq!(
        error.text(),
        "database \"app\" is paused, and lets no replication connection in"
    );
}

#[tokio::test]
async fn a_drain_counts_replication_connections_and_ends_them_with_the_others() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    gate.postgres.psql("alter role app replication").await;
    let mut client = gate.client_with(&[("replication", "database")]).await;
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");

    let early = traffic.drain("app", Duration::from_millis(100)).await;
    assert_eq!(early.expect("drained").remaining, 1);
    traffic.end_holders("app").expect("ended");

    client.expect_error("57P01").await;
    let drained = traffic.drain("app", Duration::from_secs(5)).await;
    assert!(drained.expect("drained").is_done());
}

/// A gateway with a second server that it can switch to.
async fn two_servers(plan: Plan) -> (Gate, Postgres) {
    let (first, second) = tokio::join!(Postgres::start(), Postgres::start());
    let served = plan.serve(&[
        ("primary", endpoint_at(&first.url(), None)),
        ("second", endpoint_named("second", &second.url(), None)),
    ]);
    let gate = Gate {
        served,
        postgres: first,
    };
    (gate, second)
}

#[tokio::test]
async fn a_switch_moves_waiting_clients_to_the_other_server_without_an_error() {
    for mode in MODES {
        let (gate, second) = two_servers(Plan::new(mode, 2)).await;
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(gate.client_with(&[("work_mem", "9MB")]).await);
        }
        if mode == PoolMode::Transaction {
            clients[0]
                .pipeline(&[f::parse("s", "show port"), f::sync()])
                .await;
            assert_eq!(
                clients[1].value("show port").await,
                gate.postgres.port().to_string()
            );
        }
        let traffic = gate.gateway.traffic();
        traffic.pause("app").expect("paused");
        for client in &mut clients {
            ask(client, "show port").await;
        }
        let drained = traffic.drain("app", Duration::from_secs(5)).await;
        assert_eq!(drained.expect("drained").remaining, 0);

        traffic.switch("app", "second").expect("switched");
        traffic.resume("app").expect("resumed");

        let port = second.port().to_string();
        for (index, mut client) in clients.into_iter().enumerate() {
            assert_eq!(
                answer(&mut client).await,
                std::slice::from_ref(&port),
                "{mode:?}"
            );
            assert_eq!(client.value("show work_mem").await, "9MB");
            if mode == PoolMode::Transaction && index == 0 {
                let run = [f::bind("", "s", &[]), f::execute("", 0), f::sync()];
                assert_eq!(
                    values(&client.pipeline(&run).await),
                    std::slice::from_ref(&port)
                );
            }
            client.terminate().await;
        }
        gate.wait_for_server_connections(0).await;
    }
}

#[tokio::test]
async fn traffic_verbs_say_what_is_wrong() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let traffic = gate.gateway.traffic();

    let text = |error: Result<(), pgmoor_gateway::TrafficError>| {
        error.expect_err("it is wrong").to_string()
    };
    assert_eq!(text(traffic.pause("no")), "there is no database \"no\"");
    assert_eq!(text(traffic.resume("no")), "there is no database \"no\"");
    assert_eq!(
        text(traffic.switch("app", "primary")),
        "database \"app\" is not paused"
    );
    traffic.pause("app").expect("paused");
    assert_eq!(
        text(traffic.switch("app", "no")),
        "there is no endpoint \"no\""
    );
}

#[tokio::test]
async fn reconnect_replaces_server_connections_behind_the_clients_back() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    let before = client.value("select pg_backend_pid()").await;

    gate.gateway
        .traffic()
        .reconnect("app")
        .expect("there is such a database");

    assert_ne!(client.value("select pg_backend_pid()").await, before);
}

#[tokio::test]
async fn a_reload_changes_pool_size_and_endpoint_and_keeps_clients() {
    let plan = Plan::new(PoolMode::Transaction, 1);
    let (gate, second) = two_servers(plan.clone()).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.query("begin").await;
    ask(&mut two, "show port").await;
    let plan = plan
        .gateway(|gateway| gateway.state_dir = gate.state_dir())
        .pool(|pool| pool.size = 2.try_into().expect("not zero"));

    let first = endpoint_at(&gate.postgres.url(), None);
    let larger = plan.configuration(&[("primary", first)]);
    gate.gateway.reload(larger).expect("reloaded");
    assert_eq!(answer(&mut two).await, [gate.postgres.port().to_string()]);

    let moved = plan.configuration(&[("primary", endpoint_at(&second.url(), None))]);
    gate.gateway.reload(moved).expect("reloaded");
    // An open transaction ends where it began.
    assert_eq!(
        one.value("show port").await,
        gate.postgres.port().to_string()
    );
    one.query("commit").await;
    for client in [&mut one, &mut two] {
        assert_eq!(client.value("show port").await, second.port().to_string());
    }
}

#[tokio::test]
async fn a_database_that_was_taken_away_comes_back_as_it_is_configured_then() {
    let plan = Plan::new(PoolMode::Transaction, 1);
    let (gate, second) = two_servers(plan.clone().database("other", "primary")).await;
    let plan = plan.gateway(|gateway| gateway.state_dir = gate.state_dir());
    let other = || RawClient::login_to(gate.address, "app", &gate.password, "other");
    let mut stays = other().await;
    let endpoints = [
        ("primary", endpoint_at(&gate.postgres.url(), None)),
        ("second", endpoint_named("second", &second.url(), None)),
    ];

    gate.gateway
        .reload(plan.configuration(&endpoints))
        .expect("reloaded");
    let mut refused = RawClient::connect(gate.address).await;
    let parameters = [("user", "app"), ("database", "other")];
    refused
        .expect_login_error(&parameters, &gate.password, "3D000")
        .await;
    assert_eq!(stays.value("select 1").await, "1");
    let again = plan.database("other", "second").configuration(&endpoints);
    gate.gateway.reload(again).expect("reloaded");

    let port = second.port().to_string();
    assert_eq!(other().await.value("show port").await, port);
    assert_eq!(stays.value("show port").await, port);
}

#[tokio::test]
async fn a_reload_does_not_take_a_switched_database_back() {
    let plan = Plan::new(PoolMode::Transaction, 1);
    let (gate, second) = two_servers(plan.clone()).await;
    let plan = plan.gateway(|gateway| gateway.state_dir = gate.state_dir());
    let endpoints = [
        ("primary", endpoint_at(&gate.postgres.url(), None)),
        ("second", endpoint_named("second", &second.url(), None)),
    ];
    let mut client = gate.client().await;
    let traffic = gate.gateway.traffic();
    traffic.pause("app").expect("paused");
    traffic.switch("app", "second").expect("switched");
    traffic.resume("app").expect("resumed");

    let same = plan.configuration(&endpoints);
    gate.gateway.reload(same).expect("reloaded");

    let port = second.port().to_string();
    assert_eq!(client.value("show port").await, port);
}

#[tokio::test]
async fn a_reload_that_cannot_be_used_changes_nothing() {
    let plan = Plan::new(PoolMode::Transaction, 1);
    let gate = plan.clone().start().await;
    let (mut client, mut waiting) = (gate.client().await, gate.client().await);
    let broken = plan
        .gateway(|gateway| gateway.state_dir = gate.state_dir())
        .pool(|pool| pool.size = 2.try_into().expect("not zero"))
        .database("other", "nowhere");

    let first = endpoint_at(&gate.postgres.url(), None);
    let outcome = gate
        .gateway
        .reload(broken.configuration(&[("primary", first)]));

    assert_eq!(
        outcome.expect_err("refused").to_string(),
        "database \"other\" has no endpoint \"nowhere\""
    );
    client.query("begin").await;
    ask(&mut waiting, "select 'one at a time'").await;
    client.query("commit").await;
    assert_eq!(answer(&mut waiting).await, ["one at a time"]);
}

#[tokio::test]
async fn a_graceful_stop_finishes_the_open_transaction_and_lets_nobody_in() {
    for mode in MODES {
        let gate = Gate::start(mode, 3).await;
        let (mut busy, mut idle) = (gate.client().await, gate.client().await);
        busy.query("begin").await;
        let Gate { served, postgres } = gate;
        let Served {
            gateway, address, ..
        } = served;

        let stop = tokio::spawn(gateway.stop(Duration::from_secs(20)));

        idle.expect_error("57P01").await;
        idle.expect_closed().await;
        assert_eq!(busy.value("select 'goes on'").await, "goes on", "{mode:?}");
        busy.query("create table kept (a int)").await;
        let refused = RawClient::try_connect(address).await;
        assert!(refused.is_err(), "somebody was let in");
        let done = busy.query("commit").await;
        assert!(done.iter().all(|message| message.tag != b'E'), "{done:?}");
        busy.expect_error("57P01").await;
        busy.expect_closed().await;
        stop.await.expect("stopped");
        assert_eq!(postgres.psql("select count(*) from kept").await, "0");
    }
}

#[tokio::test]
async fn a_stop_ends_those_who_do_not_finish_in_time() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut busy, mut waiting) = (gate.client().await, gate.client().await);
    busy.query("begin").await;
    ask(&mut waiting, "select 1").await;
    let Gate { served, postgres } = gate;
    let began = Instant::now();

    served.gateway.stop(Duration::from_millis(300)).await;

    assert!(began.elapsed() < Duration::from_secs(5));
    for client in [&mut busy, &mut waiting] {
        client.expect_error("57P01").await;
        client.expect_closed().await;
    }
    drop(postgres);
}

#[tokio::test]
async fn clients_of_a_database_that_is_being_prepared_wait_and_are_told_why_they_are_refused() {
    let postgres = Postgres::start().await;
    let mut plan = Plan::new(PoolMode::Transaction, 1);
    plan.gateway.login_timeout = Duration::from_secs(2);
    let endpoints = [("primary", endpoint_at(&postgres.url(), None))];
    let served = plan.unprepared("app").serve(&endpoints);
    let traffic = served.gateway.traffic();
    let refusal = async || {
        let mut client = RawClient::connect(served.address).await;
        let named = [("user", "app"), ("database", "app")];
        let error = client
            .expect_login_error(&named, &served.password, "57P03")
            .await;
        error.strings().join(" ")
    };

    traffic
        .preparing("app", "migration V1__a runs")
        .expect("there is one");
    let told = refusal().await;
    assert!(
        told.contains("database \"app\" is not ready: migration V1__a runs"),
        "{told}"
    );

    let why = "migration V1__a failed at line 1";
    traffic
        .not_prepared("app", why, None)
        .expect("there is one");
    let begun = Instant::now();
    let told = refusal().await;
    assert!(told.contains(why), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(1), "at once");

    traffic.preparing("app", "once more").expect("there is one");
    let login = served.client();
    tokio::pin!(login);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut login).await;
    assert!(early.is_err(), "it did not wait");
    traffic.prepared("app").expect("there is one");
    assert_eq!(login.await.value("select 1").await, "1");

    let configuration = Plan::new(PoolMode::Transaction, 1)
        .in_state_of(&served)
        .unprepared("app")
        .configuration(&endpoints);
    served.gateway.reload(configuration).expect("reloaded");
    assert!(
        traffic.is_prepared("app").expect("there is one"),
        "it is served already"
    );
}
