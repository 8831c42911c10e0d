//! What the rows of a table come to: counted, and hashed so that their order does not matter.
//!
//! The sum is of 128-bit hashes (XXH3), one a row, modulo 2^128: it is the same whatever the order in which rows come
//! and however many streams they come by, and it counts a row that is there twice twice. It finds what is lost, doubled
//! or altered by mistake; it is no proof against somebody who forges rows.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::wire_session::{Piece, Run};

/// What the binary form of a copy begins with: signature, flags, and the length of what follows them.
const BINARY_HEAD: usize = 11 + 4 + 4;
/// And its end, where a row would tell how many values it has.
const BINARY_END: [u8; 2] = [0xff, 0xff];

/// Rows counted and summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many.
    pub rows: u64,
    /// Bytes of them, as they were sent.
    pub bytes: u64,
    /// The sum of their hashes.
    pub sum: u128,
}

impl Digest {
    /// Takes in rows that were counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    fn row(&mut self, hash: u128, bytes: u64) {
        self.add(Self {
            rows: 1,
            bytes,
            sum: hash,
        });
    }
}

/// As text: rows, bytes, and the sum in hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:032x}", self.rows, self.bytes, self.sum)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('/');
            let digest = Self {
                rows: parts.next()?.parse().ok()?,
                bytes: parts.next()?.parse().ok()?,
                sum: u128::from_str_radix(parts.next()?, 16).ok()?,
            };
            parts.next().is_none().then_some(digest)
        };
        read().ok_or_else(|| format!("\"{text}\" is no digest of rows"))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes a hash of each row of a copy while its runs pass by.
pub struct Rows {
    is_binary: bool,
    is_first: bool,
    /// How many of the first bytes of a row are no part of it for the hash.
    head: usize,
    state: Box<Xxh3>,
    /// Bytes of the row that is under way; none of it has been hashed while this is 0.
    under_way: u64,
    skipped: usize,
    /// The first two bytes of the row that is under way.
    start: [u8; 2],
}

impl Rows {
    /// For a copy in this form.
    pub fn new(is_binary: bool) -> Self {
        Self {
            is_binary,
            is_first: true,
            head: 0,
            state: Box::new(Xxh3::new()),
            under_way: 0,
            skipped: 0,
            start: [0; 2],
        }
    }

    /// Takes in a run; `each` gets the hash of every row that ends in it, and the row's length in bytes.
    pub fn run(&mut self, run: &Run<'_>, mut each: impl FnMut(u128, u64)) {
        for piece in run.pieces() {
            if let Some((hash, bytes)) = self.piece(piece) {
                each(hash, bytes);
            }
        }
    }

    /// Takes in a run, and sums its rows up.
    pub fn sum(&mut self, run: &Run<'_>, digest: &mut Digest) {
        self.run(run, |hash, bytes| digest.row(hash, bytes));
    }

    fn piece(&mut self, piece: Piece<'_>) -> Option<(u128, u64)> {
        let mut bytes = piece.bytes;
        if self.is_first && self.is_binary {
            self.head = BINARY_HEAD;
        }
        if self.skipped < self.head {
            let skip = bytes.len().min(self.head - self.skipped);
            self.skipped += skip;
            bytes = &bytes[skip..];
        }
        let is_whole = piece.is_last && self.under_way == 0;
        if !is_whole {
            for (place, byte) in bytes.iter().enumerate() {
                let place = usize::try_from(self.under_way).unwrap_or(usize::MAX) + place;
                match self.start.get_mut(place) {
                    Some(start) => *start = *byte,
                    None => break,
                }
            }
            self.state.update(bytes);
            self.under_way += bytes.len() as u64;
        }
        if !piece.is_last {
            return None;
        }
        let (length, is_end, hash) = if is_whole {
            (bytes.len() as u64, bytes == BINARY_END, xxh3_128(bytes))
        } else {
            (
                self.under_way,
                self.start == BINARY_END,
                self.state.digest128(),
            )
        };
        let is_nothing = self.is_binary && (length == 0 || is_end && length == 2);
        if !is_whole {
            self.state.reset();
        }
        (self.is_first, self.head, self.skipped, self.under_way) = (false, 0, 0, 0);
        (!is_nothing).then_some((hash, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Piece<'_> {
        Piece {
            bytes,
            is_last: true,
        }
    }

    fn digest(is_binary: bool, messages: &[&[u8]], size: usize) -> Digest {
        let (mut rows, mut digest) = (Rows::new(is_binary), Digest::default());
        for message in messages {
            let mut parts = message.chunks(size).peekable();
            if parts.peek().is_none() {
                rows.piece(whole(message))
                    .into_iter()
                    .for_each(|(hash, bytes)| digest.row(hash, bytes));
            }
            while let Some(bytes) = parts.next() {
                let is_last = parts.peek().is_none();
                if let Some((hash, bytes)) = rows.piece(Piece { bytes, is_last }) {
                    digest.row(hash, bytes);
                }
            }
        }
        digest
    }

    const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

    #[test]
    fn neither_the_order_of_rows_nor_the_cut_of_messages_matters() {
        let expected = digest(false, &[b"one\n", b"two\n", b"", b"three\n"], 100);

        for size in 1..8 {
            let other = digest(false, &[b"three\n", b"", b"one\n", b"two\n"], size);
            assert_eq!(other, expected, "{size}");
        }
        assert_eq!((expected.rows, expected.bytes), (4, 14));
        assert_ne!(digest(false, &[b"one\n", b"one\n"], 9).sum, 0);
    }

    #[test]
    fn the_head_and_the_end_of_the_binary_form_are_no_rows() {
        let first = [HEAD, b"\0\x01row"].concat();
        let expected = digest(false, &[b"\0\x01row", b"\0\x01more"], 100);

        for size in 1..40 {
            let one = digest(true, &[&first, b"\0\x01more", &BINARY_END], size);
            assert_eq!(one, expected, "{size}");
            let alone = digest(
                true,
                &[HEAD, b"\0\x01row", b"\0\x01more", &BINARY_END],
                size,
            );
            assert_eq!(alone, expected, "{size}");
            let none = digest(true, &[&[HEAD, &BINARY_END].concat()], size);
            assert_eq!(none, Digest::default(), "{size}");
        }
    }

    #[test]
    fn a_row_without_columns_counts() {
        assert_eq!(
            digest(true, &[&[HEAD, b"\0\0"].concat(), &BINARY_END], 100).rows,
            1
        );
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = digest(false, &[b"one", b"two"], 9);

        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("1/2".parse::<Digest>().is_err());
    }
}
