//! The catalogue of a database: read of every major version, compared, written, and judged by others.

#![allow(clippy::unwrap_used, missing_docs)]

mod reading;
mod site;
mod writing;
