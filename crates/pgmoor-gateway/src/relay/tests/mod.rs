//! The relay against a model of the server.

mod model;
mod pair;
mod property;
mod random;
mod script;
mod sim;
mod sql;
mod state;
mod statements;
