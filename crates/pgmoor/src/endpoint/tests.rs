//! Facts about how addresses are read.
