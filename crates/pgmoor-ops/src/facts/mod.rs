//! Facts about a database, read once and read-only, before any judgement.
//!
//! Each group is there, or says why it is not. Whatever is read over the network has a deadline, so
//! that a host that hangs costs no more than that.

mod reading;

pub mod configuration;
pub mod network;
mod certificate;
pub mod tls;
pub mod login;
pub mod latency;
pub mod server;

mod subject;

mod transaction;
mod read;

pub use certificate::Certificate;
pub use reading::{Reading, Unread};
pub use subject::Subject;

use configuration::Configuration;
use latency::Latency;
use login::Login;
use network::Network;
use server::Server;
use tls::Tls;

/// Everything that was read of one database.
#[derive(Debug, Clone)]
pub struct Facts {
    /// How it is configured.
    pub configuration: Configuration,
    /// What the network says.
    pub network: Reading<Network>,
    /// What TLS says.
    pub tls: Reading<Tls>,
    /// What came of the login.
    pub login: Reading<Login>,
    /// How long round trips take.
    pub latency: Reading<Latency>,
    /// What the server is.
    pub server: Reading<Server>,
}

/// What is wanted of the facts; what is not wanted is not read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Round trips are measured.
    pub latency: bool,
    /// How long one step over the network may take.
    pub limit: std::time::Duration,
}

impl Facts {
    /// Reads everything that is wanted of a database. It ends, whatever the network does.
    pub async fn read(subject: &Subject, wanted: &Wanted) -> Self {
        read::facts(subject, wanted).await
    }
}
