//! From an accepted connection to a client that has proven who it is.
//!
//! ```text
//!   hello (TLS, startup message) ──▶ proof (users: which one?) ──▶ identity
//! ```
//!
//! Until then not one byte of the client reaches a server.

mod refusal;
mod lookup;
mod talk;
mod hello;
mod users;
mod prove;

pub(crate) use hello::{Hello, hello};
pub(crate) use lookup::ServerLookup;
pub(crate) use prove::{Identity, prove};
pub(crate) use refusal::Refusal;
pub(crate) use talk::Talk;
pub use users::UserError;
pub(crate) use users::Users;
