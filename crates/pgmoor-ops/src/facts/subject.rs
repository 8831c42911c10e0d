//! What is to be looked at: one database, as somebody configured it.

use pgmoor::connector::Connector;

use super::configuration::Configuration;

/// A database that is to be looked at.
#[derive(Debug)]
pub struct Subject {
    /// What people call it.
    pub name: String,
    /// The endpoint it is served from, where it has a name.
    pub endpoint: Option<String>,
    /// Its name at the server; the endpoint's own where none is given.
    pub database: Option<String>,
    /// How its address and credential were written.
    pub configuration: Configuration,
    /// What opens sessions; none where the address cannot be used.
    pub connector: Option<Connector>,
    /// Where a move of it would go, where that is asked.
    pub target: Option<Destination>,
}

/// Where a move would go.
#[derive(Debug)]
pub struct Destination {
    /// What people call it.
    pub name: String,
    /// What opens sessions there.
    pub connector: Connector,
    /// The database's name there; the endpoint's own where none is given.
    pub database: Option<String>,
}
