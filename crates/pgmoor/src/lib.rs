//! From a configured endpoint to one trusted, authenticated PostgreSQL connection.
//!
//! A password is in the connection string or in the passfile, as with libpq:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = pgmoor::Endpoint::parse("postgres://app@db.example.com/app")?.connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A cloud's identity, a lease of Vault, or anything else is a [`credential::CredentialProvider`]:
//!
//! ```no_run
//! # #[cfg(feature = "aws")]
//! # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use pgmoor::{Connector, Endpoint, credential::aws::AwsProvider};
//!
//! let identity = Arc::new(AwsProvider::from_environment(Default::default()));
//! let connector = Connector::new(Endpoint::parse(url)?, identity)?;
//! let connection = connector.log_in().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`adapter`] makes a client of tokio-postgres, a pool of deadpool-postgres, or a socket for sqlx and any
//! other library of it.
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

pub use connector::Connector;
pub use endpoint::Endpoint;
pub use pgmoor_wire::Secret;
pub use secret_file::SecretFileError;
