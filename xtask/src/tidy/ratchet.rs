//! How many findings each rule may have in each area: a text file that is committed and only
//! shrinks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Finding, Rule};
use xtask::failure::Failure;

const HEADER: &str = "\
# How many findings `cargo x tidy` allows, by rule and area. Lower it with `cargo x tidy --bless`.
";

/// Counts by rule and area.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ratchet {
    counts: BTreeMap<(Rule, String), usize>,
}

impl Ratchet {
    pub(crate) fn of(findings: &[Finding]) -> Ratchet {
        let mut ratchet = Ratchet::default();
        for finding in findings {
            *ratchet
                .counts
                .entry((finding.rule, finding.area()))
                .or_default() += 1;
        }
        ratchet
    }

    /// # Errors
    ///
    /// When a line is not `rule area count`.
    pub(crate) fn parse(text: &str) -> Result<Ratchet, Failure> {
        let mut ratchet = Ratchet::default();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (key, count) = parse_line(line).ok_or_else(|| {
                Failure::new(format!(
                    "xtask/tidy.ratchet:{}: cannot read \"{line}\"",
                    index + 1
                ))
                .because("a line is: rule area count")
            })?;
            ratchet.counts.insert(key, count);
        }
        Ok(ratchet)
    }

    /// Without the rules that nothing may be allowed of.
    pub(crate) fn negotiable(&self) -> Ratchet {
        let mut ratchet = self.clone();
        ratchet.counts.retain(|(rule, _), _| rule.is_negotiable());
        ratchet
    }

    /// What there is more of than is allowed.
    pub(crate) fn over(&self, allowed: &Ratchet) -> BTreeSet<(Rule, String)> {
        let grown = |(key, count): &(&(Rule, String), &usize)| **count > allowed.count(key);
        self.counts
            .iter()
            .filter(grown)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Whether something is allowed that is no longer there.
    pub(crate) fn is_below(&self, allowed: &Ratchet) -> bool {
        allowed
            .counts
            .iter()
            .any(|(key, count)| self.count(key) < *count)
    }

    /// Findings of each rule, now and allowed, for people.
    pub(crate) fn table(&self, allowed: &Ratchet) -> String {
        let total = |ratchet: &Ratchet, wanted: Rule| -> usize {
            let of_rule = ratchet
                .counts
                .iter()
                .filter(|((rule, _), _)| *rule == wanted);
            of_rule.map(|(_, count)| count).sum()
        };
        Rule::ALL
            .iter()
            .map(|rule| {
                let (now, most) = (total(self, *rule), total(allowed, *rule));
                format!("{:<20} {now:>3} found, {most:>3} allowed\n", rule.name())
            })
            .collect()
    }

    fn count(&self, key: &(Rule, String)) -> usize {
        self.counts.get(key).copied().unwrap_or(0)
    }
}

impl fmt::Display for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for ((rule, area), count) in &self.counts {
            writeln!(f, "{} {area} {count}", rule.name())?;
        }
        Ok(())
    }
}

fn parse_line(line: &str) -> Option<((Rule, String), usize)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let rule = Rule::ALL
        .into_iter()
        .find(|rule| rule.name() == name && rule.is_negotiable())?;
    let area = words.next()?.to_owned();
    let count = words.next()?.parse().ok()?;
    words.next().is_none().then_some(((rule, area), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: Rule, path: &str) -> Finding {
        Finding {
            rule,
            path: path.into(),
            line: 1,
            what: String::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let ratchet = Ratchet::of(&[
            finding(Rule::Unwrap, "crates/pgmoor-wire/src/a.rs"),
            finding(Rule::Unwrap, "crates/pgmoor-wire/src/b.rs"),
            finding(Rule::Purpose, "xtask/src/main.rs"),
        ]);

        assert_eq!(
            Ratchet::parse(&ratchet.to_string()).expect("it is well formed"),
            ratchet
        );
        assert!(ratchet.to_string().contains("unwrap pgmoor-wire 2\n"));
    }

    #[test]
    fn more_than_allowed_is_over_and_less_can_be_lowered() {
        let allowed = Ratchet::parse("unwrap pgmoor 1\npurpose xtask 3\n").expect("well formed");
        let now = Ratchet::of(&[
            finding(Rule::Unwrap, "crates/pgmoor/src/a.rs"),
            finding(Rule::Unwrap, "crates/pgmoor/src/a.rs"),
        ]);

        assert_eq!(
            now.over(&allowed),
            BTreeSet::from([(Rule::Unwrap, "pgmoor".into())])
        );
        assert!(now.is_below(&allowed));
    }

    #[test]
    fn a_registry_host_cannot_be_allowed() {
        assert!(Ratchet::parse("registry-host docs 1\n").is_err());
    }
}
