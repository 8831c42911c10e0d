//! Functions, aggregates and operators.

use serde::{Deserialize, Serialize};

/// What sort of function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionKind {
    /// A function.
    #[serde(rename = "f")]
    Function,
    /// A procedure.
    #[serde(rename = "p")]
    Procedure,
    /// A window function.
    #[serde(rename = "w")]
    Window,
}

impl FunctionKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Function | Self::Window => "function",
            Self::Procedure => "procedure",
        }
    }
}

/// A function or procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the options of CREATE FUNCTION")]
pub struct Function {
    #[serde(rename = "sort")]
    pub kind: FunctionKind,
    pub arguments: Vec<Argument>,
    pub returns: Option<String>,
    pub returns_set: bool,
    pub language: String,
    pub source: String,
    pub library: Option<String>,
    /// An SQL body that was parsed when it was made; from 14.
    pub body: Option<String>,
    pub volatility: String,
    pub strict: bool,
    pub leakproof: bool,
    pub security_definer: bool,
    pub parallel: String,
    pub cost: f64,
    pub rows: f64,
    pub support: Option<String>,
    pub transforms: Vec<String>,
    pub settings: Vec<String>,
    /// What makes it, as PostgreSQL writes it.
    pub sql: String,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// `i`, `o`, `b` (both), `v` (variadic), `t` (column of the result).
    pub mode: String,
    /// Raw.
    pub name: Option<String>,
    /// As it stands in SQL.
    pub type_name: String,
    /// An expression.
    pub default: Option<String>,
}

/// An aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the options of CREATE AGGREGATE")]
pub struct Aggregate {
    /// `n`ormal, `o`rdered set, `h`ypothetical set.
    pub sort: String,
    pub arguments: String,
    pub transition: String,
    pub state: String,
    pub state_size: i32,
    pub initial: Option<String>,
    pub finish: Option<String>,
    pub finish_extra: bool,
    pub finish_modify: String,
    pub combine: Option<String>,
    pub serialize: Option<String>,
    pub deserialize: Option<String>,
    pub moving_transition: Option<String>,
    pub moving_inverse: Option<String>,
    pub moving_state: Option<String>,
    pub moving_state_size: i32,
    pub moving_initial: Option<String>,
    pub moving_finish: Option<String>,
    pub moving_finish_extra: bool,
    pub moving_finish_modify: String,
    pub sort_operator: Option<String>,
    pub parallel: String,
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the options of CREATE OPERATOR")]
pub struct Operator {
    pub left: Option<String>,
    pub right: Option<String>,
    pub function: Option<String>,
    pub commutator: Option<String>,
    pub negator: Option<String>,
    pub restrict: Option<String>,
    pub join: Option<String>,
    pub merges: bool,
    pub hashes: bool,
}

/// An operator family, with members that belong to none of its classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFamily {
    /// The access method.
    pub method: String,
    /// As `ALTER OPERATOR FAMILY` takes them: `OPERATOR 1 =(integer,bigint)`.
    pub members: Vec<String>,
}

/// An operator class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the options of CREATE OPERATOR CLASS")]
pub struct OperatorClass {
    pub method: String,
    pub family: String,
    pub type_name: String,
    pub default: bool,
    pub storage: Option<String>,
    /// As `CREATE OPERATOR CLASS` takes them.
    pub members: Vec<String>,
}
