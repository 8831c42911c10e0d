//! Each check against real servers, or against what somebody wrote: where it fires, and where it does not.

#![allow(clippy::unwrap_used, missing_docs)]

mod prepared;
mod site;

mod application;
mod capacity;
mod configuration;
mod extensions;
mod groups;
mod latency;
mod login;
mod moving;
mod network;
mod proof;
mod report;
mod rights;
mod server;
mod target;
mod tls;
mod versions;
mod zoo;
