//! Prepared statements that outlive a server connection.
//!
//! In transaction mode a client's named statement is known by its text: every client that
//! prepares the same text shares one name on the servers, which is prepared again on any server
//! connection that does not have it yet.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::parameters::{Parameters, Value};
use crate::sql::{Effects, effects};

/// The names that this gateway gives begin so; a client's own names never reach a server.
pub(crate) const NAME_PREFIX: &[u8] = b"pgmoor_";
/// A statement that no server has.
pub(crate) const NO_STATEMENT: &[u8] = b"pgmoor_none";

/// Unique over all workers, because a server connection may move from one to another.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A new number for a statement.
pub(crate) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A statement text with its parameter types.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) id: u64,
    /// The name on the servers; empty for an unnamed statement.
    pub(crate) name: Box<[u8]>,
    /// What follows the name in a Parse message: text, zero byte, parameter types.
    pub(crate) definition: Box<[u8]>,
    pub(crate) effects: Effects,
}

impl Statement {
    /// An unnamed statement, kept so that it can be parsed again elsewhere.
    pub(crate) fn unnamed(definition: &[u8], effects: Effects) -> Self {
        Self {
            id: next_id(),
            name: Box::default(),
            definition: definition.into(),
            effects,
        }
    }
}

/// Compares statements by their definition.
#[derive(Debug)]
struct ByDefinition(Rc<Statement>);

impl Borrow<[u8]> for ByDefinition {
    fn borrow(&self) -> &[u8] {
        &self.0.definition
    }
}
impl Hash for ByDefinition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.definition.hash(state);
    }
}
impl PartialEq for ByDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.0.definition == other.0.definition
    }
}
impl Eq for ByDefinition {}

/// Parameters on which it depends what a text means when it is parsed. A text with
/// `'01/02/2026'::date` in it is another statement for a session with another `DateStyle`.
/// (`search_path` is not here: the server looks at it again whenever a statement runs.)
const MEANING: [&str; 10] = [
    "array_nulls",
    "backslash_quote",
    "client_encoding",
    "datestyle",
    "default_text_search_config",
    "intervalstyle",
    "lc_monetary",
    "standard_conforming_strings",
    "timezone",
    "xmloption",
];

/// All named statements that clients of one pool can share, by what their texts may mean.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    statements: HashMap<Vec<Option<Value>>, HashSet<ByDefinition>>,
    /// How often the schema had changed when they were prepared.
    schema: u64,
}

impl Registry {
    /// After a change of the schema a text may mean something else, which a server finds out when it
    /// is prepared anew: who prepares it from now on shares no statement with who did before.
    #[inline]
    pub(crate) fn follow(&mut self, schema: u64) {
        if self.schema != schema {
            self.schema = schema;
            self.statements.clear();
        }
    }

    /// The shared statement of this definition, for a session with these parameters; a new one where
    /// the session has reason to doubt the one that is shared.
    pub(crate) fn intern(
        &mut self,
        definition: &[u8],
        parameters: &Parameters,
        doubts: bool,
    ) -> Rc<Statement> {
        let meaning = match parameters.is_empty() {
            true => Vec::new(),
            false => MEANING
                .iter()
                .map(|name| parameters.get(name).cloned())
                .collect(),
        };
        let alike = self.statements.entry(meaning).or_default();
        if let Some(known) = alike.get(definition).filter(|_| !doubts) {
            return known.0.clone();
        }
        let id = next_id();
        let text = definition.split(|&b| b == 0).next().unwrap_or_default();
        let statement = Rc::new(Statement {
            id,
            name: [NAME_PREFIX, id.to_string().as_bytes()].concat().into(),
            definition: definition.into(),
            effects: effects(text),
        });
        alike.replace(ByDefinition(statement.clone()));
        statement
    }

    /// Forgets what no client holds any more.
    pub(crate) fn sweep(&mut self) {
        for alike in self.statements.values_mut() {
            alike.retain(|entry| Rc::strong_count(&entry.0) > 1);
        }
        self.statements.retain(|_, alike| !alike.is_empty());
        if self.statements.is_empty() {
            self.statements.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.statements.values().map(HashSet::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_definitions_share_a_name_and_types_tell_them_apart() {
        let mut registry = Registry::default();

        let a = registry.intern(b"select $1\0\0\0", &Parameters::default(), false);
        let b = registry.intern(b"select $1\0\0\0", &Parameters::default(), false);
        let c = registry.intern(
            b"select $1\0\0\x01\0\0\0\x17",
            &Parameters::default(),
            false,
        );

        assert_eq!(a.id, b.id);
        assert_ne!(a.name, c.name);
    }

    #[test]
    fn a_text_means_something_else_to_a_session_with_another_date_style() {
        let mut registry = Registry::default();
        let german = Parameters::from_startup([("DateStyle", "German"), ("application_name", "a")]);
        let other = Parameters::from_startup([("DateStyle", "German"), ("application_name", "b")]);

        let plain = registry.intern(
            b"select '01/02/2026'::date\0\0\0",
            &Parameters::default(),
            false,
        );
        let a = registry.intern(b"select '01/02/2026'::date\0\0\0", &german, false);
        let b = registry.intern(b"select '01/02/2026'::date\0\0\0", &other, false);

        assert_ne!(plain.id, a.id);
        assert_eq!(a.id, b.id);
    }

    #[test]
    fn a_statement_that_nobody_holds_is_forgotten() {
        let mut registry = Registry::default();

        let held = registry.intern(b"a\0\0\0", &Parameters::default(), false);
        registry.intern(b"b\0\0\0", &Parameters::default(), false);
        registry.sweep();

        assert_eq!(registry.len(), 1);
        drop(held);
        registry.sweep();
        assert_eq!(registry.len(), 0);
    }
}
