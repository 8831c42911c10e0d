//! The relay with faults, between the scripted client and the fake server.

use std::time::{Duration, Instant};

use pgmoor_testkit::{
    Direction, FaultProxy, RawClient, ScriptedConnection, ScriptedServer, frontend, wait_for_value,
};

const SHORT: Duration = Duration::from_millis(50);

struct Line {
    proxy: FaultProxy,
    client: RawClient,
    played: ScriptedConnection,
    _server: ScriptedServer,
}

/// A client that is logged in to a played server through the relay.
async fn line() -> Line {
    let server = ScriptedServer::tcp().await;
    let proxy = FaultProxy::tcp(server.address()).await;
    let mut client = RawClient::connect(proxy.address()).await;
    let mut played = server.accept().await;
    tokio::join!(played.welcome(), client.login("u", "", "d"));
    Line {
        proxy,
        client,
        played,
        _server: server,
    }
}

#[tokio::test]
async fn bytes_arrive_one_by_one_and_late() {
    let mut line = line().await;
    line.proxy.bytewise(Direction::ToServer, true);
    line.proxy.delay(Direction::ToServer, SHORT);
    let start = Instant::now();

    line.client.send(&frontend::query("select 1")).await;

    assert_eq!(line.played.expect_query().await, "select 1");
    assert!(start.elapsed() >= SHORT);
    assert!(line.proxy.passed(Direction::ToServer) > 14);
}

#[tokio::test]
async fn a_stall_holds_bytes_back_until_it_ends() {
    let mut line = line().await;
    line.proxy.stall(Direction::ToServer);

    line.client.send(&frontend::sync()).await;
    line.played.expect_silence(SHORT).await;
    line.proxy.resume(Direction::ToServer);

    line.played.expect(b'S').await;
}

#[tokio::test]
async fn a_connection_is_cut_after_the_bytes_given() {
    let mut line = line().await;
    line.proxy.cut_after(Direction::ToServer, 7);

    line.client.send(&frontend::query("select 1")).await;

    assert_eq!(line.played.expect_bytes(7).await, b"Q\0\0\0\x0dse");
    line.played.expect_closed().await;
    line.client.expect_closed().await;
    wait_for_value("open connections", SHORT * 100, 0, async || {
        line.proxy.open()
    })
    .await;
}

#[tokio::test]
async fn a_half_close_leaves_the_other_direction_open() {
    let mut line = line().await;

    line.proxy.half_close(Direction::ToServer);
    line.played.expect_closed().await;
    line.played.send(b"Z\0\0\0\x05I").await;

    line.client.expect(b'Z').await;
}

#[tokio::test]
async fn a_reset_is_seen_by_both_ends() {
    let mut line = line().await;

    line.proxy.reset_all();

    assert!(line.client.try_next().await.is_err());
    assert!(line.played.try_next().await.is_err());
}

#[tokio::test]
async fn new_connections_are_refused_or_led_elsewhere() {
    let line = line().await;
    let other = ScriptedServer::unix().await;

    line.proxy.refuse(true);
    let mut refused = RawClient::connect(line.proxy.address()).await;
    refused.expect_closed().await;

    line.proxy.refuse(false);
    line.proxy.retarget(other.address());
    let mut client = RawClient::connect(line.proxy.address()).await;
    let mut played = other.accept().await;
    tokio::join!(played.welcome(), client.login("u", "", "d"));
    assert_eq!(line.proxy.accepted(), 3);
}
