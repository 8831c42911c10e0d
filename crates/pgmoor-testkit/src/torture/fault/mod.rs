//! What befalls gateway, server and network while clients work.
//!
//! To add a fault: a type that implements [`Fault`] in a file of its own, and a line in [`FAULTS`].

mod attacks;
mod network;
mod reload;
mod restart;
mod rotation;
mod takeover;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::site::{Lines, Site};
use super::trouble::Excuses;
use super::witness::Witness;

/// A blow and its end; it fails when what must hold afterwards does not.
pub type Blow<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// Strikes again and again while clients work.
pub trait Fault {
    /// From the end of a blow to the next one.
    fn pause(&self) -> Duration;

    /// Which ends of sessions it explains; see [`Excuses`].
    fn excuses(&self) -> Excuses;

    /// The lines that it wants to break.
    fn lines(&self) -> Lines {
        Lines::default()
    }

    /// How long clients may wait after a blow, where that is the gateway's to decide.
    fn recovery_limit(&self) -> Option<Duration> {
        None
    }

    /// Strikes once, heals what it has done, and waits until clients are served again
    /// ([`Witness::recovers`]).
    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a>;
}

/// How to make a fault whose blows are so far apart.
pub type MakeFault = fn(pause: Duration) -> Box<dyn Fault>;

/// Every fault by its name, with what it does.
pub const FAULTS: &[(&str, &str, MakeFault)] = &[
    ("none", "nothing befalls anybody", |_| Box::new(NoFault)),
    (
        "restart",
        "the server is restarted: fast, immediate, kill -9",
        restart::make,
    ),
    (
        "reload",
        "the configuration is read again and again, half of the time with a mistake in it",
        reload::make,
    ),
    (
        "takeover",
        "the gateway is replaced by its successor, with nobody noticing",
        takeover::make,
    ),
    (
        "rotation",
        "passwords, certificates and authorities are replaced, on either side first",
        rotation::make,
    ),
    (
        "attacks",
        "hostile clients attack the gateway, whose memory and files stay flat",
        attacks::make,
    ),
    (
        "network-client",
        "the line between clients and gateway is slow, stalls, breaks",
        network::between_client_and_gateway,
    ),
    (
        "network-server",
        "the line between gateway and server is slow, stalls, breaks",
        network::between_gateway_and_server,
    ),
];

/// The fault of this name.
pub fn fault(name: &str, pause: Duration) -> Option<Box<dyn Fault>> {
    let found = FAULTS.iter().find(|(known, _, _)| *known == name);
    found.map(|(_, _, make)| make(pause))
}

struct NoFault;

impl Fault for NoFault {
    fn pause(&self) -> Duration {
        Duration::MAX
    }

    fn excuses(&self) -> Excuses {
        &[]
    }

    fn strike<'a>(&'a mut self, _: &'a mut Site, _: &'a Witness) -> Blow<'a> {
        Box::pin(async { Ok(()) })
    }
}
