//! PostgreSQL protocol bytes to values and back.

pub mod secret;

pub use secret::Secret;
