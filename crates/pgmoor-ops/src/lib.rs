//! The operator's work on a database.
