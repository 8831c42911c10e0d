//! Whether the address can be read at all.

use pgmoor::endpoint::EndpointError;

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::error::chain;

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-003",
    layer: Layer::Configuration,
    title: "the address can be read",
    why: "Nothing else can be found out about a database whose address is not understood.",
    needs: "an address",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    match &configuration.address {
        Some(Ok(address)) => Ok(pass(format!("{address} ({})", address.form().as_str()))),
        Some(Err(error)) => match **error {
            EndpointError::Syntax { .. } if !configuration.unencoded.is_empty() => {
                skip("see PGM-CFG-004")
            }
            EndpointError::UnknownParameter { .. } => skip("see PGM-CFG-005"),
            EndpointError::Conflict { ref problem, .. } if problem.contains("sslrootcert=system") => {
                skip("see PGM-CFG-006")
            }
            _ => Ok(fail(format!("{}: {}", configuration.origin, chain(error)))
                .hint(error.hint().or_else(|| Some("correct that parameter".to_owned())))),
        },
        None => skip("there is no address to read"),
    }
}
