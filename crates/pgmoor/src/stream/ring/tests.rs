//! Streams on a ring behave as they do off it.

use std::future::poll_fn;
use std::io;

use tokio::task::{LocalSet, spawn_local};

use super::install;
use crate::stream::Stream;
use crate::stream::tests::{
    exchange, exchange_pieces, pattern, read_exactly, tcp_pair, tls_pair, unix_pair,
};

/// Runs `test` on a thread with a ring.
async fn with_ring(test: impl Future<Output = ()>) {
    let local = LocalSet::new();
    local
        .run_until(async {
            let driver = install().expect("this kernel has io_uring");
            spawn_local(driver.run());
            test.await;
        })
        .await;
}

fn accelerate(mut pair: (Stream, Stream)) -> (Stream, Stream) {
    pair.0.accelerate().expect("left");
    pair.1.accelerate().expect("right");
    assert!(pair.0.is_accelerated() && pair.1.is_accelerated());
    pair
}

#[tokio::test]
async fn bytes_arrive_whole_over_tcp_unix_and_tls() {
    with_ring(async {
        for pair in [tcp_pair().await, unix_pair(), tls_pair().await] {
            let (mut left, mut right) = accelerate(pair);
            exchange(&mut left, &mut right).await;
            exchange(&mut right, &mut left).await;
        }
    })
    .await;
}

#[tokio::test]
async fn pieces_of_any_size_both_ways_at_once_lose_nothing() {
    let sent = pattern(3 << 20);
    with_ring(async {
        for seed in 1..=6 {
            for tls in [false, true] {
                let pair = match tls {
                    true => tls_pair().await,
                    false => tcp_pair().await,
                };
                let pair = accelerate(pair);
                assert!(
                    exchange_pieces(pair, &sent, seed).await,
                    "seed {seed} tls {tls}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_that_wait_when_a_stream_is_moved_are_read() {
    with_ring(async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(b"early").await.expect("write");
        poll_fn(|cx| server.poll_read_ready(cx))
            .await
            .expect("ready");

        server.accelerate().expect("ring");

        assert_eq!(read_exactly(&mut server, 5).await, b"early");
    })
    .await;
}

#[tokio::test]
async fn end_behind_bytes_is_seen_and_the_other_half_stays_open() {
    with_ring(async {
        let (mut client, mut server) = accelerate(tcp_pair().await);
        client.write_all(b"bye").await.expect("write");
        client.shutdown().await.expect("shutdown");

        let mut buffer = [0; 64];
        assert_eq!(server.read_some(&mut buffer).await.expect("read"), 3);
        assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
        assert_eq!(server.read_some(&mut buffer).await.expect("end again"), 0);
        server.write_all(b"still").await.expect("the other half");
        assert_eq!(read_exactly(&mut client, 5).await, b"still");
    })
    .await;
}

#[tokio::test]
async fn what_was_written_last_arrives_before_the_end() {
    with_ring(async {
        for _ in 0..50 {
            let (mut client, mut server) = accelerate(tcp_pair().await);
            assert_eq!(client.try_write(b"last").expect("write"), 4);
            client.shutdown_now();
            drop(client);
            assert_eq!(read_exactly(&mut server, 4).await, b"last");
            let mut buffer = [0; 8];
            assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn dropped_stream_closes_its_connection_though_a_read_was_asked_for() {
    with_ring(async {
        let (client, mut server) = accelerate(tcp_pair().await);
        drop(client);
        let mut buffer = [0; 8];
        assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
    })
    .await;
}

#[tokio::test]
async fn reset_connection_is_an_error_and_then_an_end() {
    with_ring(async {
        let (client, mut server) = accelerate(tcp_pair().await);
        let socket = socket2::SockRef::from(&client);
        socket
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("linger");
        drop(client);

        let mut buffer = [0; 8];
        let error = server.read_some(&mut buffer).await.expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
    })
    .await;
}

#[tokio::test]
async fn silent_stream_moves_to_another_thread_and_one_with_news_does_not() {
    with_ring(async {
        let (client, mut server) = accelerate(tcp_pair().await);
        let detached = client.detach().expect("silent");
        let other = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            LocalSet::new().block_on(&runtime, async {
                let driver = install().expect("ring");
                spawn_local(driver.run());
                let mut client = detached.attach().expect("attach");
                assert!(client.is_accelerated());
                client.write_all(b"hello").await.expect("write");
                assert_eq!(read_exactly(&mut client, 5).await, b"world");
            });
        });
        assert_eq!(read_exactly(&mut server, 5).await, b"hello");
        server.write_all(b"world").await.expect("answer");
        other.join().expect("the other thread");

        let (client, mut server) = accelerate(tcp_pair().await);
        server.write_all(b"news").await.expect("write");
        assert!(client.detach().is_err());
    })
    .await;
}

#[tokio::test]
async fn more_streams_than_buffers_with_bytes_waiting_lose_none() {
    with_ring(async {
        let mut pairs = Vec::new();
        for number in 0..200_u8 {
            let (mut left, right) = accelerate(unix_pair());
            left.write_all(&[number; 3]).await.expect("write");
            pairs.push((left, right, number));
        }
        for (_, right, number) in &mut pairs {
            assert_eq!(read_exactly(right, 3).await, [*number; 3]);
        }
        // And the ring goes on working afterwards.
        for (left, right, _) in &mut pairs {
            exchange_word(left, right).await;
        }
    })
    .await;
}

async fn exchange_word(left: &mut Stream, right: &mut Stream) {
    left.write_all(b"ping").await.expect("write");
    assert_eq!(read_exactly(right, 4).await, b"ping");
}

#[tokio::test]
async fn stream_that_always_has_something_lets_others_have_their_turn() {
    with_ring(async {
        let (mut client, mut server) = accelerate(unix_pair());
        let flood = spawn_local(async move {
            let bytes = pattern(1 << 20);
            while client.write_all(&bytes).await.is_ok() {}
        });
        let swallow = spawn_local(async move {
            let mut buffer = vec![0; 4096];
            while server
                .read_some(&mut buffer)
                .await
                .is_ok_and(|count| count > 0)
            {}
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        flood.abort();
        swallow.abort();
    })
    .await;
}
