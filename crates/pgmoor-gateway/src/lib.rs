//! The data path: clients in, pooled server connections out.

// Lowest layer first: a module imports only from those above it.
pub mod settings;
mod sql;
mod parameters;
mod statements;
mod relay;
