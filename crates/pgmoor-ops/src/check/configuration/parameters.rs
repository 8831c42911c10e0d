//! Whether every parameter of the address is one.

use pgmoor::endpoint::EndpointError;

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-005",
    layer: Layer::Configuration,
    title: "every parameter of the address is known",
    why: "A parameter that nobody knows is mostly a typo, and one in sslmode or sslrootcert would leave the line unprotected.",
    needs: "an address",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    match &on.configuration().address {
        None => skip("there is no address to read"),
        Some(Ok(_)) => Ok(pass("all are")),
        Some(Err(error)) if matches!(**error, EndpointError::UnknownParameter { .. }) => {
            Ok(fail(format!("{}: {error}", on.configuration().origin)).hint(error.hint()))
        }
        Some(Err(_)) => skip("the address cannot be read"),
    }
}
