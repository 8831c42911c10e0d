//! Function calls, large objects, replication, and networks that fail.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{
    Direction, FaultProxy, Message, Postgres, RawClient, frontend as f, tags, wait_for,
};

use crate::fixture::{Gate, MODES, Plan, error_in, values};

#[tokio::test]
async fn a_function_call_is_answered() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        // int4pl (177) of two binary numbers, binary result.
        let mut body = 177_u32.to_be_bytes().to_vec();
        body.extend([0, 1, 0, 1, 0, 2]);
        for number in [20_i32, 22] {
            body.extend(4_i32.to_be_bytes());
            body.extend(number.to_be_bytes());
        }
        body.extend([0, 1]);

        let answer = client.pipeline(&[Message::new(b'F', body).bytes()]).await;

        assert_eq!(tags(&answer), "VZ", "{mode:?}");
        assert_eq!(answer[0].body[4..], 42_i32.to_be_bytes());
        if mode == PoolMode::Transaction {
            assert_eq!(gate.client().await.value("select 1").await, "1");
        }
    }
}

#[tokio::test]
async fn large_objects_and_cursors_work_inside_a_transaction() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let mut client = gate.client().await;
    client.query("begin").await;
    let oid = client.value("select lo_from_bytea(0, 'hello')").await;
    let handle = client
        .value(&format!("select lo_open({oid}, 262144)"))
        .await;
    let read = client.value(&format!("select loread({handle}, 5)")).await;
    client
        .query("declare c cursor for select generate_series(1, 3)")
        .await;
    let fetched = client.query("fetch 2 from c").await;
    client.query("commit").await;

    assert_eq!(read, "\\x68656c6c6f");
    assert_eq!(values(&fetched), ["1", "2"]);
    let gone = client.query("fetch c").await;
    assert_eq!(error_in(&gone).sqlstate(), "34000");
}

#[tokio::test]
async fn notices_and_notifications_reach_their_client() {
    for mode in MODES {
        let gate = Gate::start(mode, 3).await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        let noticed = one.query("do $$ begin raise notice 'look'; end $$").await;
        assert_eq!(tags(&noticed), "NCZ", "{mode:?}");
        one.query("listen news").await;

        two.query("notify news, 'today'").await;

        let news = one.expect(b'A').await;
        assert!(format!("{news:?}").contains("today"), "{news:?}");
        assert_eq!(tags(&two.query("select 1").await), "TDCZ");
    }
}

#[tokio::test]
async fn a_replication_connection_has_a_server_connection_of_its_own() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        gate.postgres.psql("alter role app replication").await;
        for kind in ["database", "true"] {
            let mut client = gate.client_with(&[("replication", kind)]).await;

            let system = client.rows("IDENTIFY_SYSTEM").await;

            assert_eq!(system.len(), 1, "{mode:?} {kind}");
            assert!(system[0][0].is_some());
            client.terminate().await;
            gate.wait_for_server_connections_at_most(1).await;
        }
        assert_eq!(gate.client().await.value("select 1").await, "1");
    }
}

#[tokio::test]
async fn answers_that_come_in_single_bytes_are_put_together() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::tcp(std::net::SocketAddr::from((
        [127, 0, 0, 1],
        postgres.port(),
    )))
    .await;
    proxy.bytewise(Direction::ToClient, true);
    proxy.bytewise(Direction::ToServer, true);
    for mode in MODES {
        let url = format!(
            "postgres://app:{}@127.0.0.1:{}/app",
            postgres.app_password(),
            proxy.port()
        );
        let served =
            Plan::new(mode, 1).serve(&[("primary", crate::fixture::endpoint_at(&url, None))]);
        let mut client = served.client_with(&[("work_mem", "5MB")]).await;
        client
            .pipeline(&[f::parse("s", "select 'b'"), f::sync()])
            .await;
        let answer = client
            .pipeline(&[f::bind("", "s", &[]), f::execute("", 0), f::sync()])
            .await;

        assert_eq!(client.value("show work_mem").await, "5MB");
        assert_eq!(values(&answer), ["b"]);
        let error = client.query("select nonsense").await;
        assert_eq!(error_in(&error).sqlstate(), "42703");
    }
}

#[tokio::test]
async fn a_network_that_resets_every_connection_costs_only_what_was_under_way() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::tcp(std::net::SocketAddr::from((
        [127, 0, 0, 1],
        postgres.port(),
    )))
    .await;
    let url = format!(
        "postgres://app:{}@127.0.0.1:{}/app",
        postgres.app_password(),
        proxy.port()
    );
    let gate = Plan::new(PoolMode::Transaction, 2)
        .serve(&[("primary", crate::fixture::endpoint_at(&url, None))]);
    let (mut busy, mut idle): (RawClient, RawClient) = (gate.client().await, gate.client().await);
    idle.query("select 1").await;
    busy.query("begin").await;

    proxy.reset_all();

    busy.expect_error("08006").await;
    busy.expect_closed().await;
    wait_for("the proxy to be free", Duration::from_secs(5), async || {
        proxy.open() == 0
    })
    .await;
    assert_eq!(idle.value("select 'unharmed'").await, "unharmed");
}
