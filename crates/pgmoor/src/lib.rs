//! From a configured endpoint to one trusted, authenticated PostgreSQL connection.
//!
//! Modules are listed lowest layer first; each uses only those above it.

pub mod settings;

pub mod tls;

pub mod stream;

pub mod endpoint;

pub use pgmoor_wire::Secret;
