//! A world around the relay: clients with scripts, a model of the server, and every byte in its own
//! time. For tests and fuzz targets only.

mod random;
mod sql;
mod model;
mod sim;
mod script;

pub(crate) use random::Random;
pub(crate) use script::script;
pub(crate) use sim::{Place, Script, World, Wrong, shown};
