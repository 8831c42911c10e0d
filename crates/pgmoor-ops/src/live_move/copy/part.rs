//! Tables in parts: which pages of a table a stream copies at a time, and what is left to copy.

/// Pages (of large objects, numbers) from one to before another; to the end when there is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

impl Part {
    /// All.
    pub(super) const WHOLE: Self = Self { from: 0, to: None };

    pub(super) fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

/// What of the whole is not yet done.
pub(super) fn left(done: &[Part]) -> Vec<Part> {
    let mut done = done.to_vec();
    done.sort_unstable();
    let (mut left, mut at) = (Vec::new(), 0);
    for part in done {
        if part.from > at {
            left.push(Part {
                from: at,
                to: Some(part.from),
            });
        }
        match part.to {
            Some(to) => at = at.max(to),
            None => return left,
        }
    }
    left.push(Part { from: at, to: None });
    left
}

/// Cuts a part of something that has `pages` into parts of `size` pages. The last takes what is left, however much that has
/// become.
pub(super) fn cut(part: Part, pages: u64, size: u64) -> Vec<Part> {
    let size = size.max(1);
    let end = part.to.unwrap_or(pages).max(part.from);
    let mut cuts: Vec<u64> = Vec::new();
    let mut at = part.from + size;
    // A last part of less than half a size is not worth one.
    while at + size / 2 < end {
        cuts.push(at);
        at += size;
    }
    let starts = std::iter::once(part.from).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().map(Some).chain([part.to]);
    starts
        .zip(ends)
        .map(|(from, to)| Part { from, to })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: u64, to: impl Into<Option<u64>>) -> Part {
        Part {
            from,
            to: to.into(),
        }
    }

    #[test]
    fn what_is_left_is_what_is_not_done() {
        assert_eq!(left(&[]), [Part::WHOLE]);
        assert_eq!(left(&[Part::WHOLE]), []);
        assert_eq!(left(&[part(0, 10)]), [part(10, None)]);
        assert_eq!(
            left(&[part(20, None), part(5, 10)]),
            [part(0, 5), part(10, 20)]
        );
    }

    #[test]
    fn parts_have_no_gap_and_no_overlap_and_the_last_is_open() {
        for pages in [0, 1, 7, 100, 1001] {
            for size in [1, 3, 10, 5000] {
                let parts = cut(Part::WHOLE, pages, size);
                assert_eq!(left(&parts), [], "{pages} by {size}");
                assert_eq!(parts.last().and_then(|part| part.to), None);
                let starts: Vec<u64> = parts.iter().map(|part| part.from).collect();
                assert!(starts.windows(2).all(|two| two[1] - two[0] == size));
            }
        }
        assert_eq!(cut(part(10, 20), 1000, 4), [part(10, 14), part(14, 20)]);
    }
}
