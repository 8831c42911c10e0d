//! What has to be in the database at the end, what must not be, and what may be.

use std::collections::HashMap;

/// What a client knows of one row that it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody asked to commit it: it must not be there.
    Undone,
    /// It was asked to commit and has not answered: the row may be there, once.
    Unknown,
    /// The server said that it is committed: it must be there, once.
    Committed,
}

/// The rows of one client, by their number.
#[derive(Default)]
pub(super) struct Ledger {
    rows: Vec<(u64, Outcome)>,
}

impl Ledger {
    /// A row that is about to be written; it counts as undone until [`Ledger::asks`].
    pub(super) fn enter(&mut self, number: u64) {
        self.rows.push((number, Outcome::Undone));
    }

    /// The bytes that commit it are about to be sent.
    pub(super) fn asks(&mut self, number: u64) {
        self.set(number, Outcome::Unknown);
    }

    pub(super) fn committed(&mut self, number: u64) {
        self.set(number, Outcome::Committed);
    }

    fn set(&mut self, number: u64, outcome: Outcome) {
        // It is one of the last few.
        let row = self.rows.iter_mut().rev().find(|(n, _)| *n == number);
        row.expect("the row was entered").1 = outcome;
    }

    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.rows.iter().filter(|(_, o)| *o == outcome).count() as u64
    }
}

/// How rows are named in the database.
pub(super) fn marker(client: u32, number: u64) -> String {
    format!("c{client}n{number}e")
}

/// Whose marker a text begins with.
pub(super) fn owner(text: &str) -> Option<u32> {
    text.strip_prefix('c')?.split_once('n')?.0.parse().ok()
}

/// Rows that are not as the ledger says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Differences {
    pub(super) lost: Vec<String>,
    pub(super) ghosts: Vec<String>,
    pub(super) twice: Vec<String>,
    /// Of unknown outcome, and there.
    pub(super) unknown_there: u64,
}

impl Differences {
    /// Compares the ledger of one client with what is there: how often each marker.
    pub(super) fn look(&mut self, client: u32, ledger: &Ledger, there: &HashMap<String, u64>) {
        for (number, outcome) in &ledger.rows {
            let marker = marker(client, *number);
            match (outcome, there.get(&marker).copied().unwrap_or(0)) {
                (_, 2..) => self.twice.push(marker),
                (Outcome::Committed, 0) => self.lost.push(marker),
                (Outcome::Undone, 1) => self.ghosts.push(marker),
                (Outcome::Unknown, 1) => self.unknown_there += 1,
                (Outcome::Committed, 1) | (Outcome::Undone | Outcome::Unknown, 0) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_must_be_there_undone_must_not_and_unknown_may_but_never_twice() {
        let mut ledger = Ledger::default();
        for number in 1..=6 {
            ledger.enter(number);
        }
        for number in [2, 3, 4, 5] {
            ledger.asks(number);
        }
        for number in [3, 4, 5] {
            ledger.committed(number);
        }
        // 1 undone and there, 2 unknown and there, 3 committed and there, 4 committed and not
        // there, 5 twice, 6 undone and not there, 7 refused and there.
        let there = [("1", 1), ("2", 1), ("3", 1), ("5", 2)];
        let there = there.map(|(n, count)| (format!("c9n{n}e"), count)).into();

        let mut differences = Differences::default();
        differences.look(9, &ledger, &there);

        let expected = Differences {
            lost: vec!["c9n4e".into()],
            ghosts: vec!["c9n1e".into()],
            twice: vec!["c9n5e".into()],
            unknown_there: 1,
        };
        assert_eq!(differences, expected);
    }

    #[test]
    fn a_marker_tells_whose_it_is() {
        assert_eq!(owner(&marker(12, 345)), Some(12));
        assert_eq!(owner("creating table"), None);
        assert_eq!(owner("anything"), None);
    }
}
