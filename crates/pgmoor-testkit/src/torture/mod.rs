//! Many clients on few server connections, each of which knows what it must be told.
//!
//! Every statement carries a marker of its own, so that another client's answer shows; every row
//! that was acknowledged is in a ledger, as is every row that must not be there; every new session
//! looks for what others left behind. A [`Fault`] strikes meanwhile. It works before any address:
//! only faults need to know what stands there ([`Site`]).
//!
//! A run is repeated by its seed: each client makes the same choices in the same order. When it is
//! served, no seed can repeat.

mod dice;
mod trouble;

mod ledger;
mod witness;

mod link;

mod canary;
mod client;

mod acts;
mod life;
mod report;

mod site;

mod fault;

mod run;

pub use client::PoolMode;
pub use fault::{Blow, FAULTS, Fault, MakeFault, fault};
pub use link::Door;
pub use report::Report;
pub use run::{Torture, torture};
pub use site::{Lines, Site, SitePlan, superuser};
pub use trouble::Excuses;
pub use witness::{Figures, Witness};
