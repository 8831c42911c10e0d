//! Where the choices of a run come from: a seed, or what a fuzzer gives as long as there is some.

pub(crate) struct Random {
    state: u64,
    /// Taken from the end.
    given: Vec<u8>,
}

impl Random {
    /// The same seed gives the same run on every machine.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            given: Vec::new(),
        }
    }

    /// Each byte is a choice.
    pub(crate) fn given(bytes: impl DoubleEndedIterator<Item = u8>) -> Self {
        Self {
            given: bytes.rev().collect(),
            ..Self::new(0)
        }
    }

    /// Goes on by itself; `false` when it did already.
    pub(crate) fn forget_given(&mut self) -> bool {
        !std::mem::take(&mut self.given).is_empty()
    }

    /// A number below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if let Some(given) = self.given.pop() {
            return usize::from(given) % limit;
        }
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
