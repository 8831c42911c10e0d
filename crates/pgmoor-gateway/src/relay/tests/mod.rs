//! The relay against a model of the server.

mod model;
mod property;
mod random;
mod script;
mod sim;
mod sql;
