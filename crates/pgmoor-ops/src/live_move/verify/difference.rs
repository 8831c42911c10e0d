//! Rows that are not the same on both sides, and what of that is told.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::live_move::copy::Digest;

/// How many rows are named of each side.
const NAMED: usize = 20;

/// How many rows are looked at to name them.
const LOOKED_AT: usize = 100_000;

/// A table whose rows are not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// As it stands in SQL.
    pub table: String,
    /// What its rows come to at the source.
    pub here: Digest,
    /// And at the target.
    pub there: Digest,
    /// Which rows; none when the rows of the source are not there to be looked at.
    pub rows: Option<Differing>,
}

/// The rows that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Differing {
    /// What the rows are named by: the columns of the key, or `ctid` where there is none.
    pub by: String,
    /// How many rows of the source are not so at the target.
    pub only_here: usize,
    /// How many rows of the target are not so at the source.
    pub only_there: usize,
    /// The names of some that only the source has so, in order.
    pub here: Vec<String>,
    /// The names of some that only the target has so, in order.
    pub there: Vec<String>,
    /// The first and the last name of all of them.
    pub range: Option<(String, String)>,
    /// Whether there are more than were looked at.
    pub is_more: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            here,
            there,
            rows,
        } = self;
        match here.rows == there.rows {
            true => write!(
                f,
                "{table}: {} rows on both sides, not all the same",
                here.rows
            )?,
            false => write!(f, "{table}: {} rows here, {} there", here.rows, there.rows)?,
        }
        let Some(rows) = rows else { return Ok(()) };
        let least = if rows.is_more { "at least " } else { "" };
        write!(
            f,
            "; {least}{} only here so, {} only there so",
            rows.only_here, rows.only_there
        )?;
        match &rows.range {
            Some((first, last)) if first == last => write!(f, ", ({}) = ({first})", rows.by),
            Some((first, last)) => write!(f, ", ({}) from ({first}) to ({last})", rows.by),
            None => Ok(()),
        }
    }
}

/// Rows by their hashes: how many more of each the source has than the target.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    rows: HashMap<u128, (i64, String)>,
    is_full: bool,
}

impl Surplus {
    /// Counts a row of the source (1) or of the target (-1).
    pub(super) fn count(&mut self, hash: u128, name: &str, side: i64) {
        if self.rows.len() >= LOOKED_AT && !self.rows.contains_key(&hash) {
            self.is_full = true;
            return;
        }
        let entry = self.rows.entry(hash);
        let entry = entry.or_insert_with(|| (0, name.to_owned()));
        entry.0 += side;
        if entry.0 == 0 {
            self.rows.remove(&hash);
        }
    }

    /// What of it is told; nothing when there is no difference.
    pub(super) fn told(self, by: String) -> Option<Differing> {
        if self.rows.is_empty() && !self.is_full {
            return None;
        }
        let mut all: Vec<(i64, String)> = self.rows.into_values().collect();
        all.sort_by(|one, other| order(&one.1, &other.1));
        let range = all.first().zip(all.last());
        let range = range.map(|(first, last)| (first.1.clone(), last.1.clone()));
        let (here, there): (Vec<_>, Vec<_>) = all.into_iter().partition(|(count, _)| *count > 0);
        let total = |rows: &[(i64, String)]| {
            let all = rows.iter().map(|(count, _)| count.unsigned_abs());
            usize::try_from(all.sum::<u64>()).unwrap_or(usize::MAX)
        };
        let names = |rows: &[(i64, String)]| {
            let names = rows.iter().take(NAMED).map(|(_, name)| name.clone());
            names.collect::<Vec<_>>()
        };
        Some(Differing {
            by,
            only_here: total(&here),
            only_there: total(&there),
            here: names(&here),
            there: names(&there),
            range,
            is_more: self.is_full,
        })
    }
}

/// Numbers by their value, all others as texts.
fn order(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_sides_have_is_no_difference_and_the_rest_is_named_in_order() {
        let mut surplus = Surplus::default();
        for (hash, name) in [(1, "1"), (2, "9"), (3, "10")] {
            surplus.count(hash, name, 1);
        }
        for (hash, name) in [(1, "1"), (4, "9")] {
            surplus.count(hash, name, -1);
        }

        let told = surplus.told("id".to_owned()).expect("a difference");

        assert_eq!((told.only_here, told.only_there), (2, 1));
        assert_eq!(told.here, ["9", "10"]);
        assert_eq!(told.range, Some(("9".to_owned(), "10".to_owned())));
        assert_eq!(Surplus::default().told(String::new()), None);
    }
}
