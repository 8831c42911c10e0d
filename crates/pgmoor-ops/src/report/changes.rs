//! What changed from one report to the next: for whoever watches.

use super::data::{Report, Status};

/// A check that came to something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The database.
    pub database: String,
    /// The check.
    pub id: &'static str,
    /// What it was.
    pub before: Status,
    /// What it is.
    pub now: Status,
    /// What was seen now.
    pub seen: String,
}

/// The checks that came to something else, in their order. What was or is skipped for want of ground is
/// left out: why it has none stands in another line.
pub fn changes(before: &Report, now: &Report) -> Vec<Change> {
    let mut changes = Vec::new();
    for (old, new) in before.databases.iter().zip(&now.databases) {
        for (was, is) in old.checks.iter().zip(&new.checks) {
            let is_told = was.status != is.status
                && !(was.status == Status::Skip && is.status == Status::Ok)
                && is.status != Status::Skip;
            if is_told {
                changes.push(Change {
                    database: new.name.clone(),
                    id: is.id,
                    before: was.status,
                    now: is.status,
                    seen: is.seen.clone(),
                });
            }
        }
    }
    changes
}
