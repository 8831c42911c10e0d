//! Whether connections are answered at all.

use super::tried;
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::network::Unconnected;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-003",
    layer: Layer::Network,
    title: "connections are answered in time, no firewall swallows them",
    why: "Silence is how firewalls and security groups say no. A server that is down refuses at once; one that is overloaded still answers TCP.",
    needs: "an address of the host",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    tried::judge(
        on,
        |why| matches!(why, Unconnected::Silent(_)),
        |address, why| match why {
            Unconnected::Silent(waited) if !waited.is_zero() => {
                format!("no answer from {} in {}", address.server, duration(*waited))
            }
            _ => format!("no answer from {}", address.server),
        },
        "let this network's address in at the server's security group or firewall, for that port; check that the route and a network policy let it out",
    )
}
