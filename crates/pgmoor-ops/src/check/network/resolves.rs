//! Whether each host's name has an address.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::network::HostFacts;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-001",
    layer: Layer::Network,
    title: "the host's name has an address",
    why: "Without an address there is nobody to connect to. A name that resolves here must also resolve where the application runs: private DNS zones differ between networks.",
    needs: "a host that is a name",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let network = on.network()?;
    let named: Vec<&HostFacts> = network.hosts.iter().filter(|host| host.name.is_some()).collect();
    if named.is_empty() {
        return skip("there is no name to resolve");
    }
    let mut bad = Vec::new();
    let mut good = Vec::new();
    for host in &named {
        let name = host.name.as_deref().unwrap_or_default();
        match &host.resolved {
            Err(unresolved) => bad.push(format!("\"{name}\": {}", unresolved.reason)),
            Ok(took) => {
                let addresses: Vec<String> = host.addresses.iter().filter_map(|a| Some(a.ip?.to_string())).collect();
                good.push(format!("\"{name}\" is {} ({})", addresses.join(", "), crate::check::words::duration(*took)));
            }
        }
    }
    if bad.is_empty() {
        return Ok(pass(good.join("; ")));
    }
    let hint = "check the spelling; from the network of the application: getent hosts NAME";
    let seen = format!("no address for {}", bad.join("; "));
    Ok(if network.addresses().next().is_some() { warn(seen) } else { fail(seen) }.hint_text(hint))
}
