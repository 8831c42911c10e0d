//! Whether the address is one that libpq reads.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-009",
    layer: Layer::Configuration,
    title: "the address is read literally, as libpq reads it",
    why: "An address in another driver's words was translated: it should say the same to psql, to pgmoor and to the application.",
    needs: "an address that can be read",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let Some(address) = on.configuration().endpoint() else {
        return skip("there is no address that can be read");
    };
    let notices: Vec<&str> = address.notices().iter().map(|notice| notice.as_str()).collect();
    if notices.is_empty() {
        return Ok(pass(address.form().as_str()));
    }
    Ok(warn(format!("{}: {}", address.form().as_str(), notices.join("; ")))
        .hint(format!("write what it was read as: {address}")))
}
