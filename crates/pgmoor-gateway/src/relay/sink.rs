//! Where forwarded bytes collect: as the range they came in whenever possible.

use std::ops::Range;

/// Output made of pieces of one input and of bytes in between.
///
/// As long as the pieces touch, nothing is copied: the caller writes the range itself. What has
/// to stand before it is in `prefix`.
#[derive(Debug)]
pub(crate) struct Sink<'a, 'p> {
    input: &'a [u8],
    kept: Range<usize>,
    prefix: &'p mut Vec<u8>,
}

impl<'a, 'p> Sink<'a, 'p> {
    /// `prefix` may hold bytes already, which go out first.
    pub(crate) fn new(input: &'a [u8], prefix: &'p mut Vec<u8>) -> Self {
        Self {
            input,
            kept: 0..0,
            prefix,
        }
    }

    /// Passes on this range of the input.
    #[inline]
    pub(crate) fn forward(&mut self, range: Range<usize>) {
        if self.kept.end == range.start {
            self.kept.end = range.end;
        } else {
            self.settle();
            self.kept = range;
        }
    }

    /// The place for bytes that go out at this point.
    pub(crate) fn insert(&mut self) -> &mut Vec<u8> {
        self.settle();
        self.prefix
    }

    fn settle(&mut self) {
        if !self.kept.is_empty() {
            self.prefix
                .extend_from_slice(&self.input[self.kept.clone()]);
        }
        // An empty range that touches nothing, unless the next one starts at zero with nothing before it.
        self.kept = usize::MAX..usize::MAX;
    }

    /// What goes out: `prefix` first (in the vector given at the start), then this.
    pub(crate) fn finish(self) -> &'a [u8] {
        if self.kept.is_empty() {
            &[]
        } else {
            &self.input[self.kept]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_are_not_copied() {
        let mut prefix = Vec::new();
        let mut sink = Sink::new(b"abcdef", &mut prefix);

        sink.forward(0..2);
        sink.forward(2..5);

        assert_eq!(sink.finish(), b"abcde");
        assert!(prefix.is_empty());
    }

    #[test]
    fn insertions_and_gaps_keep_the_order() {
        let mut prefix = b"<".to_vec();
        let mut sink = Sink::new(b"abcdef", &mut prefix);

        sink.forward(0..2);
        sink.insert().extend_from_slice(b"--");
        sink.forward(2..3);
        sink.forward(4..6);

        assert_eq!(sink.finish(), b"ef");
        assert_eq!(prefix, b"<ab--c");
    }
}
