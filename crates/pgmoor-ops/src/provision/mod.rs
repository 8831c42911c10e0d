//! What an application needs on its server, made: roles, databases, schema, extensions, ownership, grants,
//! search path.
//!
//! ```text
//!   Wanted ─┐
//!           ├─ plan() ─▶ Plan ─┬─▶ script()   for somebody else to run
//!   Found  ─┘                  └─▶ apply()    while the server is as it was found;
//!                                             then plan() again, which must leave nothing to do
//! ```

mod wanted;

mod found;

mod planning;
mod script;

mod apply;

pub use apply::{Applied, ProvisionError, Server, Stage, Verifiers};
pub use found::Found;
pub use planning::{Impossible, plan};
pub use script::script;
pub use wanted::{EntraObject, Identity, Wanted, WantedExtension, WantedRole};
