//! Whether the address begins with a scheme.

use pgmoor::endpoint::Form;

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-008",
    layer: Layer::Configuration,
    title: "the address begins with postgres://",
    why: "Without a scheme an address is understood by few programs, and each cuts it in its own way.",
    needs: "an address that can be read",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let Some(address) = on.configuration().endpoint() else {
        return skip("there is no address that can be read");
    };
    if address.form() != Form::Schemeless {
        return Ok(pass(address.form().as_str()));
    }
    Ok(warn(format!("it has no scheme; read as {address}")).hint(format!(
        "write postgres:// in front of it; with \"@\" in the user name as %40: {address}"
    )))
}
