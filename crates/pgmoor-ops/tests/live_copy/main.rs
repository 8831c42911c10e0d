//! Databases copied from one real server to another, and compared.

#![allow(clippy::unwrap_used, missing_docs)]

mod copying;
mod managed;
mod resuming;
mod site;
mod verifying;
