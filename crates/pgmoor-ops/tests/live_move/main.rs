//! A live move between real servers.

#![allow(clippy::unwrap_used, missing_docs)]

mod crossing;
mod faults;
mod follow;
mod site;
mod whole;
