//! Checks: questions to a database, each in a file of its own, answered from facts that were read before.
//!
//! ```text
//! Facts ──┐
//!         ├─ Ground ──> each Check of the registry ──> Outcome: pass, warn, fail, or skip with the reason
//! Asked ──┘
//! ```
//!
//! A check is a plain function: no `.await`, no network, no clock but [`Asked::now`]. One whose ground is
//! missing is skipped, so that a broken server ends in the one finding that says what is broken. To add
//! one: a file in its layer's directory with a `CHECK`, and its name in that directory's `mod.rs`.

pub(crate) mod words;

mod verdict;

mod ground;

mod declared;

/// Declares a layer's checks: a module each, in the order they are judged and listed.
macro_rules! checks {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+

        /// The layer's checks, in the order they are judged and listed.
        pub(super) const ALL: &[&crate::check::Check] = &[$(&$name::CHECK),+];
    };
}

mod configuration;
mod network;
mod tls;
mod login;
mod latency;
mod server;
mod rights;
mod extensions;
mod capacity;
mod application;
mod moving;

pub mod registry;

mod judge;

mod page;

pub use declared::{Check, Layer};
pub use ground::{Asked, Budget, Ground};
pub use judge::{Judged, Selection, judge};
pub use page::page;
pub use verdict::{Bar, Grade, Outcome, Part, Skip, Verdict};
