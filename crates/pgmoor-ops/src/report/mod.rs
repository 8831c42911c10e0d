//! What a run of checks came to, as data, and its forms: JSON as it is, text for a terminal.

mod data;

mod text;

pub use data::{
    Counts, DatabaseReport, Finding, Program, Report, SCHEMA, ServerLine, Status, schema,
};
pub use text::write as text;
