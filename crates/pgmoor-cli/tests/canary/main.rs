//! Secrets go in by every way there is, and come out nowhere.

mod core;
mod search;

mod inputs;
mod keys;
mod secrets;
mod world;
