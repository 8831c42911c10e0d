//! Types of the user's own, and collations.

use serde::{Deserialize, Serialize};

/// A collation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    /// `c` (libc), `i` (ICU), `b` (builtin), `d` (the database's).
    pub provider: String,
    /// Whether equal means the same bytes.
    pub deterministic: bool,
    /// `LC_COLLATE`, of libc.
    pub collate: Option<String>,
    /// `LC_CTYPE`, of libc.
    pub ctype: Option<String>,
    /// The locale, of ICU and builtin.
    pub locale: Option<String>,
    /// ICU's tailoring.
    pub rules: Option<String>,
}

/// A composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composite {
    /// In order.
    pub attributes: Vec<Attribute>,
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Raw.
    pub name: String,
    /// With modifiers.
    pub type_name: String,
    /// Where it is not the type's own.
    pub collation: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A range type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Of what.
    pub subtype: String,
    /// Where it is not the default.
    pub operator_class: Option<String>,
    /// Where it is not the type's own.
    pub collation: Option<String>,
    /// Function.
    pub canonical: Option<String>,
    /// Function.
    pub difference: Option<String>,
    /// The multirange type that goes with it; from 14.
    pub multirange: Option<String>,
}

/// A type with functions for its input and output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the options of CREATE TYPE")]
pub struct BaseType {
    pub input: String,
    pub output: String,
    pub receive: Option<String>,
    pub send: Option<String>,
    pub modifier_in: Option<String>,
    pub modifier_out: Option<String>,
    pub analyze: Option<String>,
    pub subscript: Option<String>,
    /// -1 is variable.
    pub length: i32,
    pub by_value: bool,
    pub alignment: String,
    pub storage: String,
    pub category: String,
    pub preferred: bool,
    pub default: Option<String>,
    pub element: Option<String>,
    pub delimiter: String,
    pub collatable: bool,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// With modifiers.
    pub base: String,
    /// Whether it refuses nulls.
    pub not_null: bool,
    /// An expression.
    pub default: Option<String>,
    /// Where it is not the type's own.
    pub collation: Option<String>,
    /// In order of their names.
    pub constraints: Vec<DomainConstraint>,
}

/// A check of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainConstraint {
    /// Raw.
    pub name: String,
    /// As PostgreSQL writes it, with `NOT VALID`.
    pub definition: String,
    /// Its comment.
    pub comment: Option<String>,
}
