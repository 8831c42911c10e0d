//! The catalogue of a database: read, compared with another, and written as SQL.

pub mod privilege;
pub mod relation;
pub mod routine;
pub mod types;

mod model;

mod read;

mod compare;

mod write;

pub use compare::{Comparison, Difference, compare};
pub use model::*;
pub use read::read;
pub use write::{Loss, Script, Section, Sql, Statement, Target, Work, write};
