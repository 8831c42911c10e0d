//! What nobody minds: losses and differences that were accepted by name.

use std::collections::BTreeSet;

use super::error::CopyError;
use crate::catalogue::{Difference, Loss};

/// Losses and differences that are accepted, each as [`named`] writes it.
#[derive(Debug, Clone, Default)]
pub struct Accepted(BTreeSet<String>);

/// How a loss or a difference is named: `policy ro_read on public.runs`, or `table public.runs, owner`.
pub fn named(kind: &str, name: &str, property: &str) -> String {
    match property.is_empty() {
        true => format!("{kind} {name}"),
        false => format!("{kind} {name}, {property}"),
    }
}

impl<S: Into<String>> FromIterator<S> for Accepted {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

impl Accepted {
    /// All of these.
    pub fn of(losses: &[Loss]) -> Self {
        losses
            .iter()
            .map(|loss| named(&loss.kind, &loss.name, &loss.property))
            .collect()
    }

    fn has(&self, kind: &str, name: &str, property: &str) -> bool {
        self.0.contains(&named(kind, name, property))
    }

    /// Refuses where something would get lost that is not accepted.
    ///
    /// # Errors
    /// [`CopyError::Losses`].
    pub fn demand(&self, losses: &[Loss]) -> Result<(), CopyError> {
        let mut unaccepted = losses.iter().filter(|loss| !self.has_loss(loss));
        let Some(first) = unaccepted.next() else {
            return Ok(());
        };
        Err(CopyError::Losses {
            count: unaccepted.count() + 1,
            example: format!(
                "{}: {}",
                named(&first.kind, &first.name, &first.property),
                first.reason
            ),
        })
    }

    fn has_loss(&self, loss: &Loss) -> bool {
        self.has(&loss.kind, &loss.name, "") || self.has(&loss.kind, &loss.name, &loss.property)
    }

    /// Whether a difference is one that was accepted, or comes of a loss that was.
    pub(super) fn has_difference(&self, difference: &Difference) -> bool {
        let Difference {
            kind,
            name,
            property,
            ..
        } = difference;
        let has = |property: &str| self.has(kind, name, property);
        // What an owner may do by being the owner goes with the owner.
        let of_owner = property.starts_with("privilege") && has("owner");
        let of_privileges = property.starts_with("privilege") && has("privileges");
        has("") || has(property) || of_owner || of_privileges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(property: &str) -> Difference {
        Difference {
            kind: "table".to_owned(),
            name: "public.runs".to_owned(),
            property: property.to_owned(),
            here: None,
            there: None,
        }
    }

    #[test]
    fn what_was_accepted_is_and_nothing_else() {
        let owner: Accepted = ["table public.runs, owner"].into_iter().collect();

        assert!(owner.has_difference(&difference("owner")));
        assert!(owner.has_difference(&difference("privileges")));
        assert!(!owner.has_difference(&difference("row security")));
        assert!(!owner.has_difference(&difference("")));
        let all: Accepted = ["table public.runs"].into_iter().collect();
        assert!(all.has_difference(&difference("row security")));
        assert!(!Accepted::default().has_difference(&difference("owner")));
    }
}
