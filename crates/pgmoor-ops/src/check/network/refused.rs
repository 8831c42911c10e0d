//! Whether somebody listens.

use super::tried;
use crate::check::{Check, Ground, Layer, Outcome};
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
    tried::judge(
        on,
        |why| *why == Unconnected::Refused,
        |address, _| format!("connection refused by {}", address.server),
        "check that the server runs (pg_isready), that the port is right, and that listen_addresses lets this network in",
    )
}
