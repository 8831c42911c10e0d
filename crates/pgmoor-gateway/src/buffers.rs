//! Memory that all sessions of a worker take turns with, so that an idle client owns none.

use std::cell::RefCell;

/// How much is read at once: large results cost fewer system calls.
const READ: usize = 64 << 10;

/// One worker's buffers. Borrowed between two points of waiting, never across one.
#[derive(Debug)]
pub(crate) struct Buffers {
    /// What a read fills.
    pub(crate) input: RefCell<Box<[u8]>>,
    /// Bytes on their way out that are not a range of the input.
    pub(crate) output: RefCell<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            input: RefCell::new(vec![0; READ].into()),
            output: RefCell::default(),
        }
    }
}
