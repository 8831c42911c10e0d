//! The connector against real PostgreSQL servers, and against servers that lie.

#![allow(clippy::unwrap_used, missing_docs)]

mod adapter;
mod cancel;
mod common;
mod credential;
mod hosts;
mod login;
mod rogue;
mod socket;
mod tls;
mod tls_files;
mod versions;
