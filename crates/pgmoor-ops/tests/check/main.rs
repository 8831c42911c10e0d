//! Each check against real servers, or against what somebody wrote: where it fires, and where it does not.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

mod configuration;
mod latency;
mod login;
mod network;
mod proof;
mod report;
mod server;
mod tls;
