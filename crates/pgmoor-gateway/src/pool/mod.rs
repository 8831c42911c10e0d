//! Server connections of one database and user: who has them, who waits for them.
//!
//! ```text
//!                  ┌── worker 0 ──┐   ┌── worker 1 ──┐
//!   check out  ◀── │ Pool: idle   │   │ Pool: idle   │ ──▶ check out
//!   check in   ──▶ │       queue  │   │       queue  │ ◀── check in
//!                  └──────┬───────┘   └───────┬──────┘
//!                         └── SharedPool ─────┘   permits, and who waits longest
//! ```
//!
//! Each worker has its own idle connections and its own queue, so that a check-out takes no lock.
//! The permits to open connections are shared, and an idle connection goes to another worker when
//! a client waits there longer than any here.

mod error;
mod health;
mod permit;
mod server;
mod suspects;
mod reset;
mod welcomes;
mod refused;
mod shared;
mod local;
mod closing;
mod patience;
mod trouble;
mod placing;
mod opening;
mod waiting;

pub(crate) use error::CheckoutError;
pub(crate) use health::{Failure, Health};
pub(crate) use local::Pool;
pub(crate) use opening::OPEN_LIMIT;
pub(crate) use reset::Condition;
pub(crate) use server::{Card, Delivered, Server};
pub(crate) use shared::{Database, Login, PoolKey, SharedPool, Signal, Signals};
pub use suspects::Unproven;
pub(crate) use suspects::{Rest, Suspects, is_end};
pub(crate) use waiting::Waiting;
pub(crate) use welcomes::Reported;
