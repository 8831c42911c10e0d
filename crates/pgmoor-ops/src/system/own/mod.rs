//! pgmoor's own configuration as one of the forms of a meaning.

mod url;

mod read;

mod write;

pub(super) use read::{listening, read, through};
pub(super) use url::url;
pub use write::{Origins, write};
