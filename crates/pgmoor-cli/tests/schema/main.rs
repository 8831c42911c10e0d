//! `pgmoor schema`, and migrations that the gateway runs, by real processes.

#![allow(clippy::unwrap_used, missing_docs)]

mod commands;
mod processes;
mod serving;
mod site;
