//! COPY both ways, to its end, to an error, and cut off in the middle.

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{frontend as f, tags};

use crate::fixture::{Gate, MODES, error_in};

async fn gate_with_table(mode: PoolMode, size: u32) -> Gate {
    let gate = Gate::start(mode, size).await;
    let mut client = gate.client().await;
    client.query("create table t (a int)").await;
    client.terminate().await;
    gate
}

#[tokio::test]
async fn copy_in_and_out_carry_all_rows() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        let mut client = gate.client().await;
        client.send(&f::query("copy t from stdin")).await;
        client.expect(b'G').await;
        for row in 0..1000 {
            client
                .send(&f::copy_data(format!("{row}\n").as_bytes()))
                .await;
        }
        let done = client.pipeline(&[f::copy_done()]).await;
        let out = client.query("copy t to stdout").await;

        assert_eq!(tags(&done), "CZ", "{mode:?}");
        assert_eq!(out.iter().filter(|m| m.tag == b'd').count(), 1000);
        assert_eq!(client.value("select count(*) from t").await, "1000");
    }
}

#[tokio::test]
async fn copy_that_the_client_fails_or_the_server_refuses_leaves_nothing() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        let mut client = gate.client().await;
        client.send(&f::query("copy t from stdin")).await;
        client.expect(b'G').await;
        let failed = client
            .pipeline(&[f::copy_data(b"1\n"), f::copy_fail("changed my mind")])
            .await;
        assert_eq!(error_in(&failed).sqlstate(), "57014", "{mode:?}");

        client.send(&f::query("copy t from stdin")).await;
        client.expect(b'G').await;
        client
            .send(
                &[
                    f::copy_data(b"1\nno number\n"),
                    f::copy_data(b"2\n"),
                    f::copy_done(),
                ]
                .concat(),
            )
            .await;
        let refused = client.read_until_ready().await;
        assert_eq!(error_in(&refused).sqlstate(), "22P02", "{mode:?}");

        assert_eq!(client.value("select count(*) from t").await, "0");
        // In transaction mode it was given back too.
        if mode == PoolMode::Transaction {
            assert_eq!(gate.client().await.value("select 1").await, "1");
        }
    }
}

#[tokio::test]
async fn copy_through_the_extended_protocol_with_libpqs_sync_works() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        let mut client = gate.client().await;
        for round in 1..=2 {
            // libpq sends Sync along with Execute; the server swallows it once COPY has begun.
            client
                .send(
                    &[
                        f::parse("", "copy t from stdin"),
                        f::bind("", "", &[]),
                        f::describe_portal(""),
                        f::execute("", 0),
                        f::sync(),
                    ]
                    .concat(),
                )
                .await;
            client.read_until(b'G').await;
            let done = client
                .pipeline(&[f::copy_data(b"7\n"), f::copy_done(), f::sync()])
                .await;

            assert_eq!(tags(&done), "CZ", "{mode:?}");
            assert_eq!(
                client.value("select count(*) from t").await,
                round.to_string()
            );
        }
        if mode == PoolMode::Transaction {
            assert_eq!(gate.client().await.value("select 1").await, "1");
        }
    }
}

#[tokio::test]
async fn an_error_in_copy_of_the_extended_protocol_is_answered_once_for_one_sync() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        let mut client = gate.client().await;
        client
            .send(
                &[
                    f::parse("", "copy t from stdin"),
                    f::bind("", "", &[]),
                    f::execute("", 0),
                    f::flush(),
                ]
                .concat(),
            )
            .await;
        client.read_until(b'G').await;

        let answer = client
            .pipeline(&[f::copy_data(b"no number\n"), f::copy_done(), f::sync()])
            .await;

        assert_eq!(tags(&answer), "EZ", "{mode:?}");
        assert_eq!(client.value("select 'next'").await, "next", "{mode:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_cut_off_in_copy_in_leaves_no_row_and_no_place_taken() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        for cut in [&b"d"[..], b"d\0\0\0\x08", b"d\0\0\0\x08ab", b""] {
            let mut client = gate.client().await;
            client.send(&f::query("copy t from stdin")).await;
            client.expect(b'G').await;
            client.send(&f::copy_data(b"1\n")).await;
            client.send(cut).await;

            client.reset();

            let mut next = gate.client().await;
            assert_eq!(next.value("select count(*) from t").await, "0", "{mode:?}");
            next.terminate().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_is_cut_off_in_copy_out_takes_no_place() {
    for mode in MODES {
        let gate = gate_with_table(mode, 1).await;
        let mut client = gate.client().await;
        client
            .send(&f::query(
                "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout",
            ))
            .await;
        client.expect(b'H').await;
        client.expect(b'd').await;

        client.reset();

        let mut next = gate.client().await;
        next.set_patience(Duration::from_secs(20));
        assert_eq!(next.value("select 1").await, "1", "{mode:?}");
    }
}

#[tokio::test]
async fn a_query_in_the_middle_of_copy_in_is_an_error_and_harms_nobody() {
    for mode in MODES {
        let gate = gate_with_table(mode, 2).await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        one.send(&f::query("copy t from stdin")).await;
        one.expect(b'G').await;
        one.send(&f::copy_data(b"1\n")).await;

        one.send(&f::query("select 'one'")).await;
        let error = one.expect(b'E').await;
        assert_eq!(error.sqlstate(), "08P01", "{mode:?} {error:?}");
        drop(one);

        for _ in 0..5 {
            assert_eq!(two.value("select 'two'").await, "two", "{mode:?}");
            let mut three = gate.client().await;
            assert_eq!(three.value("select 'three'").await, "three");
            three.terminate().await;
        }
    }
}
