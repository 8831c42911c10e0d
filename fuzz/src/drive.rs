//! Drives an entry function without a fuzzer: with its seeds, with their beginnings, and with seeds
//! that were changed. The same on every machine.
//!
//! Also a module of the tests of several crates, so it uses nothing but the standard library.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "each of those who share it needs another part"
)]

use std::path::{Path, PathBuf};

/// Bytes and words at which lengths, counts and texts turn over.
const BYTES: &[u8] = b"\0\x01\x03\x04\x7f\x80\xff,=\n;'\"$AZaz09";
const WORDS: &[u32] = &[
    0,
    3,
    4,
    5,
    8,
    10_001,
    0x3fff_ffff,
    0x4000_0000,
    0x8000_0000,
    0xffff_ffff,
];

/// Memory that this process holds, in KiB; 0 where the kernel does not tell.
pub fn memory() -> u64 {
    let told = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// The committed seeds of a target, in the order of their names.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let seeds = files(&format!("corpus/{target}"), "seed");
    assert!(seeds.len() > 5, "\"{target}\" has hardly any seeds");
    seeds
}

/// What clients and servers have said to each other: of one side, from the start of each connection.
pub fn recorded(side: &str) -> Vec<Vec<u8>> {
    let streams = files("streams", side);
    assert!(
        streams.len() > 5,
        "there are hardly any streams of a {side}"
    );
    streams
}

fn files(directory: &str, extension: &str) -> Vec<Vec<u8>> {
    // The test's crate is in crates/, or is fuzz itself.
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let directory = above
        .find_map(|root| Some(root.join("fuzz").join(directory)).filter(|path| path.is_dir()))
        .expect("a directory of the repository");
    let entries = std::fs::read_dir(directory).expect("list the files");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    // The order of a directory is not the same everywhere.
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("read a file");
    paths.iter().map(read).collect()
}

/// Runs the seeds, their beginnings, and so many changed ones.
pub fn drive(target: &str, cases: u64, entry: fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        entry(seed);
    }
    let mut mutator = Mutator::new(cases);
    let ends: usize = seeds.iter().map(Vec::len).sum();
    for seed in &seeds {
        // All of them if they are few.
        let step = 1 + ends / 1_000;
        for end in (0..seed.len()).step_by(step) {
            entry(&seed[..end]);
        }
    }
    for _ in 0..cases {
        entry(&mutator.mutated(&seeds));
    }
}

/// Changes what it is given, a little or much, by a seed.
pub struct Mutator(u64);

impl Mutator {
    /// The same seed makes the same changes.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// One of the seeds, changed; sometimes a part of another one in it.
    pub fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        if self.below(8) == 0 {
            let other = &seeds[self.below(seeds.len())];
            let from = self.below(other.len() + 1);
            let at = self.below(data.len() + 1);
            data.splice(at..at, other[from..].iter().copied());
        }
        for _ in 0..1 + self.below(8) {
            self.change(&mut data);
        }
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        if data.is_empty() {
            data.push(BYTES[self.below(BYTES.len())]);
            return;
        }
        let at = self.below(data.len());
        match self.below(8) {
            0 => data[at] ^= 1 << self.below(8),
            1 => data[at] = BYTES[self.below(BYTES.len())],
            2 => data[at] = self.below(256) as u8,
            3 => data.truncate(at),
            4 => drop(data.remove(at)),
            5 => data.insert(at, BYTES[self.below(BYTES.len())]),
            6 => {
                let end = (at + 1 + self.below(64)).min(data.len());
                let part = data[at..end].to_vec();
                let to = self.below(data.len() + 1);
                data.splice(to..to, part);
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())].to_be_bytes();
                let end = data.len().min(at + 4);
                data[at..end].copy_from_slice(&word[..end - at]);
            }
        }
    }
}
