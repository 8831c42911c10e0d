//! What became of connections, sorted by how they ended.

use crate::check::Ground;
use crate::check::verdict::{Skip, Verdict, fail, pass, skip, warn};
use crate::check::words::duration;
use crate::facts::network::{AddressFacts, Unconnected};

/// Fails when connections ended in this way and none was taken, warns when others were taken.
pub(super) fn judge(
    on: Ground<'_>,
    is: impl Fn(&Unconnected) -> bool,
    what: impl Fn(&AddressFacts, &Unconnected) -> String,
    hint: &str,
) -> Result<Verdict, Skip> {
    let network = on.network()?;
    let mut bad = Vec::new();
    let mut taken = Vec::new();
    for address in network.addresses() {
        match &address.connected {
            Ok(took) => taken.push(format!("{} in {}", address.server, duration(*took))),
            Err(why) if is(why) => bad.push(what(address, why)),
            Err(_) => {}
        }
    }
    let (bad, taken) = (bad.join("; "), taken.join("; "));
    match (bad.is_empty(), taken.is_empty()) {
        (true, true) => skip("no address took a connection"),
        (true, false) => Ok(pass(taken)),
        (false, false) => Ok(warn(format!("{bad}; but taken by {taken}")).hint_text(hint)),
        (false, true) => Ok(fail(bad).hint_text(hint)),
    }
}
