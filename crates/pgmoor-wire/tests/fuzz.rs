//! Drives the fuzz targets on a stable compiler: with their seeds, with seeds that were changed, and
//! with arbitrary bytes. A coverage-guided run of the same is `cargo x fuzz`.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is also a library of its own")]
mod entries;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
use proptest::sample::{Index, select};

/// One change to an input.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Remove(Index),
    Insert(Index, u8),
    Double(Index, Index),
    Word(Index, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    // Bytes and words at which lengths, counts and texts turn over.
    let byte = || select(&b"\0\x01\x03\x04\x7f\x80\xff,=\nAZaz09"[..]);
    let word = select(
        &[
            0,
            3,
            4,
            5,
            8,
            10_001,
            0x3fff_ffff,
            0x4000_0000,
            1 << 31,
            u32::MAX,
        ][..],
    );
    proptest::prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        at().prop_map(Change::Cut),
        at().prop_map(Change::Remove),
        (at(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
        (at(), word).prop_map(|(at, word)| Change::Word(at, word)),
    ]
}

fn apply(data: &mut Vec<u8>, change: &Change) {
    if data.is_empty() {
        return;
    }
    let count = data.len();
    match change {
        Change::Flip(at, bit) => data[at.index(count)] ^= 1 << bit,
        Change::Set(at, byte) => data[at.index(count)] = *byte,
        Change::Cut(at) => data.truncate(at.index(count)),
        Change::Remove(at) => drop(data.remove(at.index(count))),
        Change::Insert(at, byte) => data.insert(at.index(count), *byte),
        Change::Double(from, to) => {
            let (from, to) = (from.index(count), to.index(count));
            let part = data[from.min(to)..from.max(to)].to_vec();
            data.extend_from_slice(&part);
        }
        Change::Word(at, word) => {
            let at = at.index(count);
            let end = count.min(at + 4);
            data[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let entries = std::fs::read_dir(corpus.join(target)).expect("list the seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    // The order of a directory is not the same everywhere.
    paths.sort();
    let read = |path| std::fs::read(path).expect("read a seed");
    let seeds: Vec<_> = paths.iter().map(read).collect();
    assert!(seeds.len() > 5, "\"{target}\" has hardly any seeds");
    seeds
}

fn drive(target: &str, cases: u32, entry: fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        entry(seed);
        for end in 0..seed.len() {
            entry(&seed[..end]);
        }
    }

    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(seed in select(seeds), changes in vec(change(), 1..8))| {
        let mut data = seed;
        for change in &changes {
            apply(&mut data, change);
        }
        entry(&data);
    });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(data in vec(any::<u8>(), 0..300))| entry(&data));
}

#[test]
fn start_of_a_connection_may_be_anything() {
    drive("frame_startup", 4000, entries::frame_startup);
}

#[test]
fn client_may_send_anything() {
    drive("frontend", 4000, entries::frontend);
}

#[test]
fn server_may_send_anything() {
    drive("backend", 4000, entries::backend);
}

#[test]
fn scram_peer_may_send_anything() {
    drive("scram", 1000, entries::scram);
}
