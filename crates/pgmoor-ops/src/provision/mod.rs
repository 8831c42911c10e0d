//! What an application needs on its server, made: role, database, schema, extensions, search path.
//!
//! ```text
//!   Wanted ─┐
//!           ├─ plan() ─▶ Plan ─┬─▶ script()   for somebody else to run
//!   Found  ─┘                  └─▶ apply()    while the server is as it was found
//! ```

mod wanted;

mod found;

mod planning;
mod script;

mod apply;

pub use apply::{Applied, ProvisionError, Server, Stage};
pub use found::{Found, FoundDatabase, FoundRole, Inside, Login};
pub use planning::{Impossible, plan};
pub use script::script;
pub use wanted::{Identity, Wanted, WantedExtension};
