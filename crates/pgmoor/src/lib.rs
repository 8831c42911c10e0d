//! From a configured endpoint to one trusted, authenticated PostgreSQL connection.
//!
//! Modules are listed lowest layer first; each uses only those above it.

pub mod error;

mod secret_file;

pub mod settings;

pub mod endpoint;

pub mod tls;

pub mod http;

pub mod stream;

pub mod credential;

pub mod connector;

#[cfg(feature = "google")]
pub mod cloudsql;

pub mod adapter;

pub mod bundled;

pub use pgmoor_wire::Secret;
pub use secret_file::SecretFileError;
