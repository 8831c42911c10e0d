//! The data path: clients in, pooled server connections out.
