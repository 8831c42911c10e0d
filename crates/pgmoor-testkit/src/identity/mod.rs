//! Cloud identities without a cloud: services that issue, a judge of what they issued, and an LDAP
//! responder through which a real PostgreSQL asks the judge.
//!
//! ```text
//!   stand-in (STS, IMDS, …) ── issues ──▶ gateway ── token as password ──▶ PostgreSQL
//!            └────────── tells ──▶ Judge ◀── simple bind ── LdapResponder ◀─────┘
//! ```
//!
//! Each stand-in refuses what the real service would refuse, and answers badly on demand.

mod time;

mod sigv4;

mod judge;

mod ldap;
mod stand_in;

mod aws;

pub mod azure;

pub mod vault;

pub use aws::AwsStandIn;
pub use azure::AzureStandIn;
pub use judge::{AwsDatabase, AwsKeys, Judge, Verdict};
pub use ldap::LdapResponder;
pub use stand_in::{Asked, Fault, Reply, StandIn};
pub(crate) use time::read_basic;
pub use time::{iso8601, unix};
pub use vault::VaultStandIn;
