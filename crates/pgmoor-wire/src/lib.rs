//! PostgreSQL protocol bytes to values and back.
//!
//! It does no input and no output, knows no async runtime, and keeps no connection state: callers
//! read and write the bytes, and decide. Everything that is decoded here may come from an attacker,
//! so no decoder indexes, allocates by a length that it was told, or panics.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)
)]

// Lowest layer first.
pub mod lsn;
pub mod secret;
pub mod sqlstate;
pub mod tag;

pub mod frame;
mod read;

mod write;

pub mod md5;
pub mod startup;

pub mod frontend;

pub mod backend;

pub mod scram;

pub mod replication;

pub mod pgoutput;

pub use lsn::Lsn;
pub use read::DecodeError;
pub use secret::Secret;
pub use sqlstate::SqlState;
pub use write::EncodeError;
