//! Facts about a database, read once and read-only, before any judgement.
//!
//! Each group is there, or says why it is not. Whatever is read over the network has a deadline, so
//! that a host that hangs costs no more than that.

mod groups;

mod reading;

pub mod configuration;
pub mod network;
mod certificate;
pub mod plain;
pub mod pooler;
pub mod tls;
pub mod login;
pub mod latency;

pub(crate) mod transaction;
mod vendor;

pub mod capacity;
pub mod extensions;
pub mod moving;
pub mod rights;
pub mod server;

mod subject;

pub mod target;

mod read;

pub use certificate::Certificate;
pub use groups::{Group, Groups};
pub use reading::{Reading, Unread};
pub use subject::{Destination, Subject};
pub use vendor::{Signs, Vendor};

use capacity::Capacity;
use configuration::Configuration;
use extensions::Extensions;
use latency::Latency;
use login::Login;
use moving::Moving;
use network::Network;
use plain::Plain;
use pooler::Pooler;
use rights::Rights;
use server::Server;
use target::Target;
use tls::Tls;

use crate::requirement::SystemSettings;

/// Everything that was read of one database.
#[derive(Debug, Clone)]
pub struct Facts {
    /// How it is configured.
    pub configuration: Configuration,
    /// What the network says.
    pub network: Reading<Network>,
    /// What TLS says.
    pub tls: Reading<Tls>,
    /// Whether a session without TLS would be let in.
    pub plain: Reading<Plain>,
    /// What came of the login.
    pub login: Reading<Login>,
    /// What is between us and the server.
    pub pooler: Reading<Pooler>,
    /// How long round trips take.
    pub latency: Reading<Latency>,
    /// What the server is.
    pub server: Reading<Server>,
    /// What the login may do.
    pub rights: Reading<Rights>,
    /// What is installed, and what can be.
    pub extensions: Reading<Extensions>,
    /// How much room there is.
    pub capacity: Reading<Capacity>,
    /// What a move depends on.
    pub moving: Reading<Moving>,
    /// What it would meet at its target.
    pub target: Reading<Target>,
}

/// What is wanted of the facts; what is not wanted is not read.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// What the application needs: its schema, its further databases.
    pub requirement: &'a SystemSettings,
    /// The groups that are read.
    pub groups: Groups,
    /// How long one step over the network may take.
    pub limit: std::time::Duration,
}

impl Facts {
    /// Reads everything that is wanted of a database. It ends, whatever the network does.
    pub async fn read(subject: &Subject, wanted: &Wanted<'_>) -> Self {
        read::facts(subject, wanted).await
    }
}
