//! Changed copies of recorded streams: decoded or refused, whatever was changed.
//!
//! `cargo x fuzz --streams` does so ten million times.

#[path = "../../../fuzz/src/drive.rs"]
mod drive;
#[path = "../../../fuzz/src/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use drive::Mutator;

/// So many, unless `PGMOOR_FUZZ_CASES` says otherwise.
const CASES: u64 = 20_000;
/// Far more than any case takes.
const LIMIT: Duration = Duration::from_secs(1);

fn timed(entry: fn(&[u8]), data: &[u8]) -> Duration {
    let start = Instant::now();
    entry(data);
    start.elapsed()
}

#[test]
fn a_changed_stream_is_decoded_or_refused_at_once_and_in_constant_memory() {
    let set = std::env::var("PGMOOR_FUZZ_CASES").ok();
    let cases = set.and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let clients = drive::recorded("client");
    let servers = drive::recorded("server");
    let mut mutator = Mutator::new(13);
    let mut slowest = Duration::ZERO;
    let mut early = 0;
    let began = Instant::now();

    for case in 0..cases {
        let (streams, entry): (_, fn(&[u8])) = match case % 2 {
            0 => (&clients, wire::client_stream),
            _ => (&servers, wire::server_stream),
        };
        let data = mutator.mutated(streams);
        let mut took = timed(entry, &data);
        if took > LIMIT {
            // Perhaps the whole machine stood still; it would not do so every time.
            took = (0..3).map(|_| timed(entry, &data)).min().unwrap_or(took);
        }
        slowest = slowest.max(took);
        if case == cases / 10 {
            early = drive::memory();
        }
    }

    let grown = drive::memory().saturating_sub(early);
    println!(
        "{cases} cases in {:?}, the slowest {slowest:?}, grown by {grown} KiB",
        began.elapsed()
    );
    assert!(slowest < LIMIT, "a case took {slowest:?}");
    assert!(grown < 4096, "grown by {grown} KiB");
}
