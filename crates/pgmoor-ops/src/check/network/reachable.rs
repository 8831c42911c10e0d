//! Whether there is a way to the server.

use super::tried;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::network::Unconnected;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-004",
    layer: Layer::Network,
    title: "there is a way to the server",
    why: "Without a route, or without the socket's file, nothing is even sent.",
    needs: "an address of the host",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    tried::judge(
        on,
        |why| !matches!(why, Unconnected::Refused | Unconnected::Silent(_)),
        |address, why| match why {
            Unconnected::NoSocket => format!("{} does not exist", address.server),
            Unconnected::Forbidden => format!("{} may not be used by this user", address.server),
            Unconnected::Unreachable(reason) | Unconnected::Other(reason) => {
                format!("{}: {reason}", address.server)
            }
            Unconnected::Refused | Unconnected::Silent(_) => address.server.clone(),
        },
        "for a socket: check that the server runs, unix_socket_directories, and that the directory is mounted here; else the route: ip route get ADDRESS",
    )
}
