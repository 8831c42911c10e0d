//! Moving a live database from one server to another, with its clients connected to a gateway.
//!
//! A move is kept in PostgreSQL ([`journal`]), never here: whoever does the next step takes it over, and what was
//! interrupted anywhere is gone on with or undone by what stands there.
//!
//! Modules are listed lowest layer first; each uses only those above it.

pub mod names;

pub mod side;

pub mod copy;

pub mod verify;

mod hindrance;

pub mod error;

pub mod fence;

pub mod journal;

mod lock;

mod definitions;

pub mod sequences;

pub mod large_objects;

mod views;

pub mod outgoing;

pub mod follow;

pub mod event;

mod ready;

mod crossing;

mod mover;

mod hold;

mod offline;

mod ending;

mod status;

pub use crossing::Crossed;
pub use error::MoveError;
pub use event::{Event, Listener};
pub use hindrance::Hindrance;
pub use hold::Hold;
pub use mover::{Limits, Move};
pub use side::Side;
pub use status::Status;
