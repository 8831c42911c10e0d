//! What of the rows is left to copy, and what is to be forgotten first.

use std::collections::BTreeMap;

use super::digest::Digest;
use super::journal::{Copied, Journal};
use super::part::{self, Part};
use super::table::Table;

/// Bytes of a table that one stream copies at a time, at least.
const LEAST_BYTES: u64 = 64 * 1024 * 1024;

/// No table is cut into more parts.
const MOST_PARTS: u64 = 1024;

/// The size of a page that sizes are guessed by.
const PAGE: u64 = 8192;

/// How far a table is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// What is there already.
    pub(super) digest: Digest,
    /// As of when.
    pub(super) mark: Option<String>,
    /// What is left.
    pub(super) left: Vec<Part>,
    /// Whether what is there is to be removed first.
    pub(super) is_forgotten: bool,
}

impl State {
    /// Nothing of what is there counts.
    fn anew() -> Self {
        Self {
            left: vec![Part::WHOLE],
            is_forgotten: true,
            ..Self::default()
        }
    }
}

/// The moment as of which a copy is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) mark: &'a str,
    /// Whether what is whole as of another moment stays.
    pub(super) keeps_others: bool,
}

/// How far a table, or the large objects, are by what the journal says of it.
pub(super) fn state(copied: &[Copied], moment: Moment<'_>) -> State {
    let parts: Vec<Part> = copied.iter().map(|copied| copied.part).collect();
    let left = part::left(&parts);
    let first = copied.first().map(|copied| copied.mark.clone());
    let is_one = copied
        .iter()
        .all(|copied| Some(&copied.mark) == first.as_ref());
    let is_now = first.as_deref().is_none_or(|first| first == moment.mark);
    let is_usable = is_one && (is_now || left.is_empty() && moment.keeps_others);
    if !is_usable {
        return State::anew();
    }
    let mut digest = Digest::default();
    copied.iter().for_each(|copied| digest.add(copied.digest));
    State {
        digest,
        mark: first,
        left,
        is_forgotten: false,
    }
}

/// The states of all tables, in their order.
pub(super) fn states(tables: &[Table], journal: &Journal, moment: Moment<'_>) -> Vec<State> {
    let of = |table: &Table| {
        let copied = journal
            .parts
            .get(&table.name)
            .map_or(&[][..], Vec::as_slice);
        match table.is_unlogged && !copied.is_empty() {
            // The target may have crashed since: then it is empty, and the journal does not know.
            true => State::anew(),
            false => state(copied, moment),
        }
    };
    tables.iter().map(of).collect()
}

/// What is left of a table, cut so that all streams have something of it to do, and little is lost when one breaks. `can_seek` tells whether the server finds
/// pages without reading those before them.
pub(super) fn cut(table: &Table, state: &State, can_seek: bool) -> Vec<Part> {
    if !table.has_pages || !can_seek {
        return state.left.clone();
    }
    let size = LEAST_BYTES.max(table.bytes / MOST_PARTS);
    // Large values are kept elsewhere: a page of rows stands for more bytes than it has.
    let per_page = (table.bytes / table.pages.max(1)).max(PAGE);
    let pages = (size / per_page).max(1);
    let left = state.left.iter();
    left.flat_map(|part| part::cut(*part, table.pages, pages))
        .collect()
}

/// What the parts of each table came to, together with what was there.
pub(super) fn total(states: &[State], new: &BTreeMap<usize, Digest>) -> Vec<Digest> {
    let all = states.iter().enumerate().map(|(number, state)| {
        let mut digest = state.digest;
        digest.add(new.get(&number).copied().unwrap_or_default());
        digest
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(from: u64, to: Option<u64>, mark: &str) -> Copied {
        Copied {
            part: Part { from, to },
            mark: mark.to_owned(),
            digest: Digest {
                rows: 1,
                bytes: 2,
                sum: 3,
            },
        }
    }

    fn at(mark: &str, keeps_others: bool) -> Moment<'_> {
        Moment { mark, keeps_others }
    }

    #[test]
    fn a_table_goes_on_where_it_was_while_the_moment_is_the_same() {
        let copied = [copied(0, Some(10), "a"), copied(20, None, "a")];

        let state = state(&copied, at("a", false));

        let part = Part {
            from: 10,
            to: Some(20),
        };
        assert_eq!(state.left, [part]);
        assert_eq!((state.digest.rows, state.is_forgotten), (2, false));
    }

    #[test]
    fn of_another_moment_only_a_whole_table_can_stay() {
        let whole = [copied(0, Some(10), "a"), copied(10, None, "a")];
        let kept = state(&whole, at("b", true));
        assert_eq!((kept.left.len(), kept.mark.as_deref()), (0, Some("a")));
        assert!(state(&whole, at("b", false)).is_forgotten);

        let partial = state(&whole[..1], at("b", true));
        assert_eq!(
            (&partial.left[..], partial.is_forgotten),
            (&[Part::WHOLE][..], true)
        );

        let mixed = [copied(0, Some(10), "a"), copied(10, None, "b")];
        assert!(state(&mixed, at("b", true)).is_forgotten);
    }
}
