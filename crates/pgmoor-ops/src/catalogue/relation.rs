//! Tables and what belongs to them, views and sequences.

use serde::{Deserialize, Serialize};

use super::privilege::{Grant, Label};

/// What sort of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableForm {
    /// With rows of its own.
    #[serde(rename = "r")]
    Plain,
    /// With rows in its partitions only.
    #[serde(rename = "p")]
    Partitioned,
    /// With rows elsewhere.
    #[serde(rename = "f")]
    Foreign,
}

impl TableForm {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain | Self::Partitioned => "table",
            Self::Foreign => "foreign table",
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What sort.
    pub form: TableForm,
    /// `p`ermanent or `u`nlogged.
    pub persistence: String,
    /// `LIST (region)`.
    pub partition_key: Option<String>,
    /// The partitioned table it is a partition of.
    pub partition_of: Option<String>,
    /// `FOR VALUES IN ('eu')`.
    pub bound: Option<String>,
    /// The tables it inherits from, in order; a partition has none.
    pub inherits: Vec<String>,
    /// Where it is not `heap`.
    pub access_method: Option<String>,
    /// Storage parameters.
    pub options: Vec<String>,
    /// Storage parameters of its TOAST table.
    pub toast_options: Vec<String>,
    /// The composite type it is made of.
    pub of_type: Option<String>,
    /// `d`efault, `n`othing, `f`ull, `i`ndex.
    pub replica_identity: String,
    /// Whether policies hold.
    pub row_security: bool,
    /// Whether they hold for the owner too.
    pub force_row_security: bool,
    /// Of a foreign table.
    pub server: Option<String>,
    /// Of a foreign table.
    pub foreign_options: Vec<String>,
    /// In order; dropped ones are not there.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Raw.
    pub name: String,
    /// With modifiers, as it stands in SQL.
    pub type_name: String,
    /// Where it is not the type's own.
    pub collation: Option<String>,
    /// Whether it refuses nulls.
    pub not_null: bool,
    /// The constraint by which it does; from 18.
    pub not_null_by: Option<NotNull>,
    /// An expression; of a generated column, what it is generated from.
    pub default: Option<String>,
    /// `s`tored, `v`irtual.
    pub generated: Option<String>,
    /// `a`lways, by `d`efault. A partition has that of its parent.
    pub identity: Option<String>,
    /// Where it is not the type's own: `PLAIN`, `EXTERNAL`, `EXTENDED`, `MAIN`.
    pub storage: Option<String>,
    /// Where it is not the server's: `pglz`, `lz4`.
    pub compression: Option<String>,
    /// Where it is not the server's.
    pub statistics: Option<i32>,
    /// `n_distinct` and the like.
    pub options: Vec<String>,
    /// Of a foreign table.
    pub foreign_options: Vec<String>,
    /// Whether it was defined here, not only inherited.
    pub local: bool,
    /// From how many parents it comes.
    pub parents: i32,
    /// Privileges on this column alone.
    pub privileges: Vec<Grant>,
    /// Its comment.
    pub comment: Option<String>,
    /// Its security labels.
    pub labels: Vec<Label>,
}

/// A `NOT NULL` with a name; from 18.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotNull {
    /// Raw.
    pub name: String,
    /// Whether it was defined here, not only inherited.
    pub local: bool,
    /// Whether children go without.
    pub no_inherit: bool,
    /// Whether rows that were there have been checked.
    pub validated: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The query.
    pub definition: String,
    /// `security_barrier=true`, `check_option=local`.
    pub options: Vec<String>,
    /// In order.
    pub columns: Vec<Column>,
}

/// A materialized view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// The query.
    pub definition: String,
    /// Storage parameters.
    pub options: Vec<String>,
    /// Where it is not `heap`.
    pub access_method: Option<String>,
    /// Whether it has been computed.
    pub populated: bool,
    /// In order.
    pub columns: Vec<Column>,
}

/// A sequence. Where it stands is data, not catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// `p`ermanent or `u`nlogged.
    pub persistence: String,
    /// `bigint`.
    pub type_name: String,
    /// `START WITH`.
    pub start: i64,
    /// `INCREMENT BY`.
    pub increment: i64,
    /// `MINVALUE`.
    pub min: i64,
    /// `MAXVALUE`.
    pub max: i64,
    /// How many a session takes at once.
    pub cache: i64,
    /// Whether it begins anew.
    pub cycle: bool,
    /// The column that owns it.
    pub owned_by: Option<SequenceOwner>,
}

/// The column that owns a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOwner {
    /// As it stands in SQL.
    pub table: String,
    /// Raw.
    pub column: String,
    /// Whether it is the sequence of an identity column, which makes it itself.
    pub identity: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// As PostgreSQL writes it.
    pub definition: String,
    /// Whether it refuses duplicates.
    pub unique: bool,
    /// Whether all its rows are in it.
    pub valid: bool,
    /// The constraint that made it.
    pub constraint: Option<String>,
    /// The index of the partitioned table that it is a part of.
    pub partition_of: Option<String>,
    /// Whether `CLUSTER` goes by it.
    pub clustered: bool,
    /// Whether it is the replica identity.
    pub replica_identity: bool,
    /// Storage parameters.
    pub options: Vec<String>,
    /// Statistics targets of its expressions: column number and value.
    pub statistics: Vec<(i32, i32)>,
}

/// A constraint of a table. `NOT NULL` is at the column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// `c`heck, `f`oreign key, `p`rimary key, `u`nique, e`x`clusion.
    pub form: String,
    /// As PostgreSQL writes it, with `DEFERRABLE` and `NOT VALID`.
    pub definition: String,
    /// Whether rows that were there have been checked.
    pub validated: bool,
    /// Whether it was defined here, not only inherited.
    pub local: bool,
    /// From how many parents it comes.
    pub parents: i32,
    /// The index that keeps it.
    pub index: Option<String>,
    /// Storage parameters of that index.
    pub index_options: Vec<String>,
}
