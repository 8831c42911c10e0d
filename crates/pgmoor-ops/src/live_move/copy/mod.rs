//! The initial copy: all of a database as one snapshot has it, from a server to an empty database of another.
//!
//! ```text
//! objects before rows ─▶ rows in parts, the largest tables first ─▶ the rest ─▶ catalogues compared
//!                        └▶ indexes and constraints of a table as soon as its rows are there
//! ```
//!
//! Rows pass from `COPY … TO STDOUT` to `COPY … FROM STDIN` as the messages they came in, in binary form where both sides'
//! types have the same, and are hashed as they pass. Each part is copied by one transaction of the target, which notes it
//! in the journal ([`Copied`] tells what it came to): a copy that was broken off at any point goes on where it was.
//!
//! Parts that were copied as of another moment ([`Copy::mark`]) do not fit to those that are left: they are removed and
//! copied anew, unless the table is whole and [`Options::keeps_other_moments`] says that it may stay.

mod error;

mod accepted;

mod digest;
mod events;

mod part;

mod journal;

mod open;

mod ground;
mod roles;
mod sequences;
mod table;

mod asked;

mod large_objects;
mod rows;
mod schedule;
mod statements;

mod streams;

mod parts;

mod left;

mod run;

pub use accepted::{Accepted, named};
pub use asked::{Copied, Copy, Options, Plan, TableCopied};
pub use digest::{Digest, Rows};
pub use error::CopyError;
pub use events::{Event, Progress, Silent, Stage};
pub(crate) use ground::{catalogue, demand_all_rows, see};
pub(crate) use open::wire;
pub use roles::{MissingRole, missing as missing_roles};
pub use table::Table;
pub(crate) use table::{choose_forms, read as read_tables};
