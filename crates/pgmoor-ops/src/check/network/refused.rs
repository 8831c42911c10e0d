//! Whether somebody listens.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::check::words::duration;
use crate::facts::network::Unconnected;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-002",
    layer: Layer::Network,
    title: "the server takes connections, it does not refuse them",
    why: "A connection that is refused at once reached the host: the server is down, listens elsewhere, or a firewall answers in its place.",
    needs: "an address of the host",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let network = on.network()?;
    let mut refused = Vec::new();
    let mut taken = Vec::new();
    for address in network.addresses() {
        match &address.connected {
            Ok(took) => taken.push(format!("{} in {}", address.server, duration(*took))),
            Err(Unconnected::Refused) => refused.push(address.server.as_str()),
            Err(_) => {}
        }
    }
    let hint = "check that the server runs (pg_isready), that the port is right, and that listen_addresses and the firewall let this network in";
    match (refused.is_empty(), taken.is_empty()) {
        (true, true) => skip("no address refused or took a connection"),
        (true, false) => Ok(pass(taken.join("; "))),
        (false, false) => Ok(warn(format!("connection refused by {}; taken by {}", refused.join(", "), taken.join("; "))).hint_text(hint)),
        (false, true) => Ok(fail(format!("connection refused by {}", refused.join(", "))).hint_text(hint)),
    }
}
