//! Users who exist cannot be told by time from those who do not.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{RawClient, frontend as f};

use crate::fixture::{Gate, Plan};

/// Pairs of logins that are measured at a time.
const PAIRS: usize = 150;
/// How often a measurement may look suspicious before it is believed: noise does not come back.
const ATTEMPTS: usize = 4;

/// How long the gateway takes to say no to the last message of a login whose proof is wrong.
async fn time_of_refusal(gate: &Gate, user: &str) -> Duration {
    let mut client = RawClient::connect(gate.address).await;
    client.startup(&[("user", user), ("database", "app")]).await;
    client.expect(b'R').await;
    let began = Instant::now();
    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    client.send(&f::sasl_initial("SCRAM-SHA-256", first)).await;
    let challenge = client.expect(b'R').await;
    let text = String::from_utf8_lossy(&challenge.body[4..]).into_owned();
    let nonce = text.split(',').next().expect("a nonce").to_owned();
    // Hashing a password would be the client's work and the test's noise: any proof is wrong.
    let proof = "A".repeat(43);
    let last = format!("c=biws,{nonce},p={proof}=");
    client.send(&f::sasl_response(last.as_bytes())).await;
    client.expect_error("28P01").await;
    began.elapsed()
}

/// How many standard deviations the ranks of one sample are away from those of the other
/// (Mann-Whitney U).
fn rank_distance(one: &[Duration], other: &[Duration]) -> f64 {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let wins: f64 = one
        .iter()
        .flat_map(|a| other.iter().map(move |b| a.cmp(b)))
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    (wins - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// Measures two users in turns, each first as often as second, so that a machine that becomes
/// slower or faster does so for both.
async fn distance(gate: &Gate, known: &str, unknown: &str) -> f64 {
    let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        if pair % 2 == 0 {
            of_known.push(time_of_refusal(gate, known).await);
            of_unknown.push(time_of_refusal(gate, unknown).await);
        } else {
            of_unknown.push(time_of_refusal(gate, unknown).await);
            of_known.push(time_of_refusal(gate, known).await);
        }
    }
    rank_distance(&of_known, &of_unknown)
}

#[tokio::test]
async fn the_time_of_a_refusal_does_not_tell_whether_there_is_such_a_user() {
    let gate = Plan::new(PoolMode::Transaction, 1).start().await;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let distance = distance(&gate, "app", "nob").await;
        seen.push(distance);
        // By chance alone, one attempt in 2,000 goes beyond 3.5, and none four times in a row.
        if distance.abs() < 3.5 {
            return;
        }
    }
    panic!("the two can be told apart by time: {seen:?} standard deviations");
}

#[test]
fn samples_that_differ_are_told_apart_and_equal_ones_are_not() {
    let noise = |seed: u64| -> Vec<Duration> {
        let mut state = seed;
        let step = std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            Duration::from_micros(200 + (state >> 33) % 100)
        });
        step.take(PAIRS).collect()
    };
    let (one, other) = (noise(1), noise(2));
    // A fifth of the noise is enough: a millisecond of hashing would be ten times all of it.
    let slower: Vec<_> = other
        .iter()
        .map(|t| *t + Duration::from_micros(20))
        .collect();

    assert!(rank_distance(&one, &other).abs() < 3.5);
    assert!(rank_distance(&one, &slower) < -3.5);
    assert!(rank_distance(&slower, &one) > 3.5);
}
