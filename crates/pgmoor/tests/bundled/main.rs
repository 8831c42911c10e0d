//! The bundled server against real PostgreSQL: made, started, killed in every way, found again.
//!
//! `PGMOOR_TEST_ARCHIVES` names a directory of server archives (`.tgz`); each is run too.
#![allow(clippy::unwrap_used)]

mod archives;
mod crash;
mod lifecycle;
mod refusal;
mod safety;
mod support;
