//! What a run of checks came to, as data, and its forms: JSON as it is, text for a terminal, HTML to pass on.

mod data;

mod text;

mod screen;

mod html;

mod changes;

pub use changes::{Change, changes};
pub use data::{
    Counts, DatabaseReport, Finding, Program, Report, SCHEMA, ServerLine, Status, schema,
};
pub use html::write as html;
pub use screen::{Size, write as screen};
pub use text::write as text;
