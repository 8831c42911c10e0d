//! The operator's work on a database.

pub mod traffic;
