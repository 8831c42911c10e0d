//! Whether the operating system's authorities are trusted with full verification only.

use pgmoor::endpoint::{EndpointError, RootCert};

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-006",
    layer: Layer::Configuration,
    title: "sslrootcert=system goes with sslmode=verify-full",
    why: "Anybody can get a certificate from a public authority, for a name of their own: trusting those authorities without looking at the name trusts everybody.",
    needs: "an address with sslrootcert=system",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    match &on.configuration().address {
        Some(Ok(address)) if address.tls.root_cert == RootCert::System => {
            Ok(pass(format!("sslmode={}", address.tls.mode)))
        }
        Some(Err(error)) => match **error {
            EndpointError::Conflict { ref problem, .. } if problem.contains("sslrootcert=system") => {
                Ok(fail(problem.clone()).hint(error.hint()))
            }
            _ => skip("the address cannot be read"),
        },
        Some(Ok(_)) | None => skip("sslrootcert is not \"system\""),
    }
}
