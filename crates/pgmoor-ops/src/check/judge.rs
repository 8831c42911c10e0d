//! Judges a database: every wanted check, in their order.

use super::declared::{Check, Layer};
use super::ground::Ground;
use super::registry;
use super::verdict::{Grade, Outcome, Skip, Verdict};
use crate::facts::Groups;

/// A check and what it came to.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The check.
    pub check: &'static Check,
    /// Its verdict, or why there is none.
    pub outcome: Result<Verdict, String>,
}

impl Judged {
    /// Whether it failed.
    pub fn is_failure(&self) -> bool {
        matches!(&self.outcome, Ok(verdict) if verdict.grade == Grade::Fail)
    }
}

/// Which checks are wanted; all, when it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these, where there are any.
    pub only: Vec<&'static str>,
    /// Not these.
    pub skip: Vec<&'static str>,
    /// Only those of these layers, where there are any.
    pub layers: Vec<Layer>,
}

impl Selection {
    /// Whether this check is wanted.
    pub fn wants(&self, check: &Check) -> bool {
        (self.only.is_empty() || self.only.contains(&check.id))
            && (self.layers.is_empty() || self.layers.contains(&check.layer))
            && !self.skip.contains(&check.id)
    }

    /// The facts that the wanted checks look at.
    pub fn groups(&self) -> Groups {
        let wanted = registry::all().filter(|check| self.wants(check));
        Groups::of(wanted.flat_map(|check| check.layer.reads()).copied())
    }
}

/// Judges. A check whose ground is missing says which one took it away.
pub fn judge(ground: Ground<'_>, selection: &Selection) -> Vec<Judged> {
    let outcomes = registry::all().map(|check| (check, (check.judge)(ground)));
    let outcomes: Vec<(&Check, Outcome)> = outcomes.collect();
    // Also one that is not shown may be why another has no ground.
    let failed = |outcome: &Outcome| matches!(outcome, Ok(verdict) if verdict.grade == Grade::Fail);
    let culprits: Vec<&Check> = outcomes
        .iter()
        .filter(|(_, outcome)| failed(outcome))
        .map(|(check, _)| *check)
        .collect();
    // Nothing falls because of what stands on it.
    let culprit = |fallen: &Check| {
        let mut before = culprits.iter().filter(|check| check.layer <= fallen.layer);
        before.next().map(|check| check.id)
    };
    let wanted = outcomes
        .into_iter()
        .filter(|(check, _)| selection.wants(check));
    let judged = wanted.map(|(check, outcome)| Judged {
        check,
        outcome: outcome.map_err(|skip| reason(skip, culprit(check))),
    });
    judged.collect()
}

fn reason(skip: Skip, culprit: Option<&str>) -> String {
    match (skip, culprit) {
        (Skip::Because(reason), _) => reason,
        (Skip::NoGround, Some(id)) => format!("not reached, see {id}"),
        (Skip::NoGround, None) => "not reached".to_owned(),
    }
}
