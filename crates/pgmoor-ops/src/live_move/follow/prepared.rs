//! Which statements are prepared at the receiving side, and under which names.

use std::collections::HashMap;

use pgmoor_wire::pgoutput::RelationId;

use super::statement::Form;

/// At most so many are kept; then all are forgotten, and prepared again as they are needed.
const MOST: usize = 2_000;

/// The names of prepared statements.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    names: HashMap<(RelationId, Form), u64>,
    next: u64,
}

/// A name, and whether there is no such statement yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// It is there.
    Known(u64),
    /// It has to be prepared.
    New(u64),
}

impl Prepared {
    /// The name of the statement of this form.
    pub(super) fn name(&mut self, relation: RelationId, form: Form) -> Name {
        if let Some(number) = self.names.get(&(relation, form.clone())) {
            return Name::Known(*number);
        }
        self.next += 1;
        self.names.insert((relation, form), self.next);
        Name::New(self.next)
    }

    /// The names of statements that are of no use any more: those of this table, which looks different now.
    pub(super) fn forget(&mut self, relation: RelationId) -> Vec<u64> {
        let mut gone = Vec::new();
        self.names.retain(|(of, _), number| {
            let stays = *of != relation;
            if !stays {
                gone.push(*number);
            }
            stays
        });
        gone
    }

    /// All names, if there are too many.
    pub(super) fn overflow(&mut self) -> Vec<u64> {
        match self.names.len() > MOST {
            true => self.names.drain().map(|(_, number)| number).collect(),
            false => Vec::new(),
        }
    }
}

/// As it stands in messages.
pub(super) fn text(number: u64) -> String {
    format!("c{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_a_table_has_one_name_until_the_table_changes() {
        let mut prepared = Prepared::default();

        assert_eq!(prepared.name(1, Form::Insert), Name::New(1));
        assert_eq!(prepared.name(1, Form::Insert), Name::Known(1));
        assert_eq!(prepared.name(2, Form::Insert), Name::New(2));
        assert_eq!(prepared.forget(1), [1]);
        assert_eq!(prepared.name(1, Form::Insert), Name::New(3));
        assert!(prepared.overflow().is_empty());
    }
}
