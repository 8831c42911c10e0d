//! What the fuzz targets do with arbitrary bytes in the parts that nobody outside sees.
//!
//! Compiled for tests, which drive these functions with the committed seeds, and with the feature
//! `fuzzing`, for the targets of `fuzz/`. Each panics when something does not hold.

mod hostile;
mod relay;
mod sql;

pub use hostile::relay_hostile;
pub use relay::relay;
pub use sql::sql;

#[cfg(test)]
mod tests;
