//! What is done with arbitrary bytes, and what must hold whatever they are: a function a target.

pub mod drive;

pub mod wire;

pub mod pgoutput;
pub mod scram;

pub mod conninfo;

mod output;

pub mod settings;

pub use pgmoor_gateway::fuzzing::{relay, relay_hostile, sql};
