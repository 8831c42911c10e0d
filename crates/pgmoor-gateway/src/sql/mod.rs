//! What a statement does to its session, told from its text.
//!
//! Not a parser: it finds statement boundaries and the few forms whose effect outlives a
//! transaction. What it cannot see (a function that calls `set_config` inside) stays the
//! server's secret; `docs/pooling.md` says so.

mod lexer;
mod skim;
mod effects;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use lexer::bytes_read;

pub(crate) use effects::{Effect, Effects, LOOKED_AT, PinReason, effects};
