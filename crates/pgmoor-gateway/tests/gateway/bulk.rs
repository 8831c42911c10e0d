//! Large and many messages, and clients that do not read: nothing is lost, nothing piles up.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{RawClient, frontend as f, tags, wait_for};

use crate::fixture::{Gate, MODES, values};

const LARGE: usize = 64 << 20;

fn patient(mut client: RawClient) -> RawClient {
    client.set_patience(Duration::from_secs(60));
    client
}

#[tokio::test]
async fn a_value_of_64_mib_passes_both_ways() {
    let text = "x".repeat(LARGE);
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = patient(gate.client().await);
        let answer = client
            .pipeline(&[
                f::parse("", "select $1::text"),
                f::bind("", "", &[Some(&text)]),
                f::execute("", 0),
                f::sync(),
            ])
            .await;

        assert_eq!(tags(&answer), "12DCZ", "{mode:?}");
        assert!(
            values(&answer)[0] == text,
            "{mode:?}: the value has changed"
        );
        assert_eq!(client.value("select 1").await, "1");
    }
}

#[tokio::test]
async fn a_query_text_of_many_megabytes_passes_and_leaves_a_clean_server_connection() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = patient(gate.client().await);
        // Behind what the gateway looks at.
        let sql = format!(
            "select length('{}'); set work_mem to '11MB'",
            "y".repeat(8 << 20)
        );
        let answer = client.query(&sql).await;
        assert_eq!(values(&answer), [(8 << 20).to_string()]);
        client.terminate().await;

        let mut next = gate.client().await;
        assert_eq!(next.value("show work_mem").await, "4MB", "{mode:?}");
    }
}

#[tokio::test]
async fn a_pipeline_of_100_000_messages_is_answered_in_order() {
    const ROUNDS: usize = 25_000;
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let client = patient(gate.client().await);
        let (mut client, mut sent) = (client, 0);
        client.send(&f::parse("s", "select $1::text")).await;
        client.pipeline(&[f::sync()]).await;
        // In pieces, each read before the next is sent: a client that only writes has to block.
        while sent < ROUNDS {
            let mut bytes = Vec::new();
            for round in sent..sent + 1000 {
                let value = round.to_string();
                bytes.extend(f::bind("", "s", &[Some(&value)]));
                bytes.extend(f::describe_portal(""));
                bytes.extend(f::execute("", 0));
                bytes.extend(if round % 100 == 99 {
                    f::sync()
                } else {
                    f::flush()
                });
            }
            client.send(&bytes).await;
            let mut got = Vec::new();
            for _ in 0..10 {
                got.extend(values(&client.read_until_ready().await));
            }
            let wanted: Vec<String> = (sent..sent + 1000).map(|n| n.to_string()).collect();
            assert_eq!(got, wanted, "{mode:?}");
            sent += 1000;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_its_server_and_nobody_else() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        let mut slow = patient(gate.client().await);
        slow.send(&f::query(
            "select repeat('x', 1000) from generate_series(1, 200000)",
        ))
        .await;

        // The server waits for the gateway, which waits for the client: nothing is heaped up.
        wait_for(
            "the server to be stopped",
            Duration::from_secs(20),
            async || {
                let sql = "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'";
                gate.postgres.psql(sql).await == "1"
            },
        )
        .await;
        let mut other = gate.client().await;
        assert_eq!(other.value("select 1").await, "1", "{mode:?}");
        let rows = values(&slow.read_until_ready().await);
        assert_eq!(rows.len(), 200_000, "{mode:?}");
        assert!(rows.iter().all(|row| row.len() == 1000));
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_its_client() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    client.query("create table t (a text)").await;
    client.query("begin").await;
    let pid: i32 = client
        .value("select pg_backend_pid()")
        .await
        .parse()
        .expect("a number");
    client.send(&f::query("copy t from stdin")).await;
    client.expect(b'G').await;
    gate.postgres.freeze(pid);
    client.set_patience(Duration::from_millis(500));
    let piece = f::copy_data(&[&[b'x'; 65_000][..], b"\n"].concat()).repeat(16);
    let mut sent = 0;

    // What is under way fits into the buffers of the sockets.
    while client.try_send(&piece).await.is_ok() {
        sent += piece.len();
        assert!(sent < 200 << 20, "the gateway keeps all that it is sent");
    }

    gate.postgres.thaw(pid);
    client.reset();
    let mut next = patient(gate.client().await);
    assert_eq!(next.value("select count(*) from t").await, "0");
}

#[tokio::test]
async fn answers_of_the_gateways_own_do_not_pile_up_for_a_client_that_does_not_read() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let piece = f::close_statement("none").repeat(100_000);
    // With answers of the server before them, which it holds back, and without.
    for begin in [
        f::parse("s", "select 1"),
        [f::parse("s", "select 1"), f::flush()].concat(),
    ] {
        let mut client = gate.client().await;
        client.send(&begin).await;
        client.set_patience(Duration::from_secs(2));
        let mut sent = 0;

        while client.try_send(&piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < 200 << 20, "the gateway answers without end");
        }

        client.reset();
        // What the sockets hold is still worked off, which takes a while on a busy machine.
        let gone = async || gate.gateway.clients() == 0;
        wait_for("the client to be gone", Duration::from_secs(60), gone).await;
        assert_eq!(gate.client().await.value("select 1").await, "1");
    }
}

#[tokio::test]
async fn a_batch_of_many_messages_without_flush_is_answered_at_its_sync() {
    const MANY: usize = 60_000;
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = patient(gate.client().await);
        let mut batch = f::parse("s", "select 1");
        for _ in 0..MANY {
            batch.extend(f::close_statement("none"));
        }
        batch.extend(f::sync());

        let answer = client.pipeline(&[batch]).await;

        assert_eq!(answer.len(), 1 + MANY + 1, "{mode:?}");
        assert!(answer[1..=MANY].iter().all(|message| message.tag == b'3'));
    }
}
