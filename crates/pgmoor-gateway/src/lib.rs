//! The data path: clients in, pooled server connections out.

// Lowest layer first: a module imports only from those above it.
pub mod settings;
mod clock;
mod counters;
mod report;
mod process;
mod sql;
mod parameters;
mod statements;
mod relay;
mod endpoint;
mod preparation;
mod transfer;
mod pool;
mod totals;
mod buffers;
mod clients;
mod session;
pub mod state_dir;
mod login;
mod welcome;
mod listener;
mod hooks;
mod line;
mod predecessor;
mod worker;
mod traffic;
mod snapshot;
mod table;
mod console;
mod farewell;
mod admission;
mod entry;
mod accepting;
mod configuration;
mod event_loop;
mod gateway;
mod letter;
pub mod handover;
mod metrics;
mod http;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

pub use configuration::{
    Configuration, DEFAULT_USER, StartError, endpoint_name, has_generated_user,
};
pub use endpoint::Endpoint;
pub use gateway::{Gateway, Reloader};
pub use hooks::{Hooks, ReloadHook, Shutdown, ShutdownHook};
pub use http::{Admin, AdminError, AdminListener};
pub use listener::{Address, BindError, Listener, bind, bind_rest};
pub use login::UserError;
pub use metrics::metrics_reference;
pub use pool::Unproven;
pub use table::rfc3339;
pub use traffic::{Drained, Standing, Traffic, TrafficError};
