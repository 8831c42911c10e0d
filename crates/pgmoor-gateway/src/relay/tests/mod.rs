//! The relay, message by message, and against the model of the server.

mod pair;
mod property;
mod state;
mod statements;
