//! The configurations of applications: read into one meaning, and written from it.
//!
//! ```text
//! values.yaml, app-config.yaml, .env ──> meaning ──> pgmoor.yaml      (import)
//!                         pgmoor.yaml ──> meaning ──> values of the application      (render)
//! ```
//!
//! All of it is plain functions over texts: no network, no environment, and no file but what the caller
//! hands in. A secret is never in a meaning: only where it is to be found.

mod reference;

mod meaning;

mod finding;

mod tree;

mod input;

mod values;

mod address;

mod token;

mod own;

mod writing;

mod langsmith;

mod coder;

mod backstage;

mod prisme;

mod environment;

mod import;

mod render;

mod merge;

pub use finding::{Finding, Severity};
pub use import::{Application, Imported, import};
pub use input::{Include, Input};
pub use meaning::{Address, Cloud, Database, Instance, Login, Meaning, Parameters, Told};
pub use merge::merged;
pub use own::{Origins, write};
pub use reference::{Reference, SECRETS};
pub use render::{Rendered, Target, Through, render};
pub use tree::{Tree, lines};
