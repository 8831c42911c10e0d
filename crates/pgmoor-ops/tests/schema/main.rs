//! Migrations against real servers, of every major version that this machine has.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

mod concurrently;
mod forms;
mod locks;
mod once;
mod order;
mod pooler;
mod roles;
