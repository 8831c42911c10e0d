//! How long a TCP connection takes.

use std::time::Duration;

use crate::check::verdict::{Skip, pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

/// No more than a way around the world.
const SLOW: Duration = Duration::from_millis(300);

pub(super) const CHECK: Check = Check {
    id: "PGM-LAT-003",
    layer: Layer::Latency,
    title: "a connection is quick",
    why: "One that takes a second or three lost its first packet on the way, or waited for a name server.",
    needs: "a connection",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let network = on.network()?;
    let address = network.answering().ok_or(Skip::NoGround)?;
    let took = *address.connected.as_ref().map_err(|_| Skip::NoGround)?;
    let hosts = network.hosts.iter();
    let resolving = hosts.filter_map(|host| host.resolved.as_ref().ok()).max();
    let resolving = resolving.copied().unwrap_or_default();
    let seen = format!("{} to find the address, {} to connect", duration(resolving), duration(took));
    if took > SLOW || resolving > SLOW {
        return Ok(warn(seen).hint_text(
            "look at the name servers (time getent hosts HOST) and for lost packets (mtr HOST); pools of pgmoor keep connections (pool.min_idle)",
        ));
    }
    Ok(pass(seen))
}
