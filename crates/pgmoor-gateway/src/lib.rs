//! The data path: clients in, pooled server connections out.

// Lowest layer first: a module imports only from those above it.
pub mod settings;
mod clock;
mod counters;
mod report;
mod sql;
mod parameters;
mod statements;
mod relay;
mod endpoint;
mod pool;
mod buffers;
mod clients;
mod session;
pub mod state_dir;
mod login;
mod welcome;
mod listener;
mod worker;
mod console;
mod entry;
mod traffic;
mod gateway;

pub use endpoint::Endpoint;
pub use gateway::{
    Configuration, DEFAULT_USER, Gateway, StartError, endpoint_name, has_generated_user,
};
pub use listener::{Address, BindError, Listener, bind};
pub use login::UserError;
pub use traffic::{Drained, Traffic, TrafficError};
