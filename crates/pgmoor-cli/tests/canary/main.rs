//! Secrets go in by every way there is, and come out nowhere.

mod core;
mod search;
mod secrets;
mod world;
