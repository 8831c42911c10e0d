//! The data path: clients in, pooled server connections out.

pub mod settings;
