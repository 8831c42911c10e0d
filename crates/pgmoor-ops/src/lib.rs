//! The operator's work on a database.
//!
//! Modules are listed lowest layer first; each uses only those above it.

pub mod wire_session;

pub mod error;

pub mod sql;

pub mod yaml;

pub mod session;

pub mod requirement;

pub mod facts;

pub mod catalogue;

pub mod check;

pub mod report;

pub mod preflight;

pub mod schema;

pub mod plan;

pub mod provision;

pub mod traffic;

pub mod live_move;

pub mod system;

pub use error::Error;
pub use session::Session;
