//! Whether client certificate and key belong together.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::error::chain;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-002",
    layer: Layer::Tls,
    title: "client certificate and private key belong together",
    why: "After a renewal often one of the two is new and the other is not.",
    needs: "a client certificate",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let tls = on.tls()?;
    let host = tls.telling();
    match host.map(|host| &host.verification) {
        Some(Err(error)) if trouble::of(on)? == Some(Trouble::KeyPair) => {
            let compare = "compare: openssl x509 -noout -pubkey -in CERTIFICATE; openssl pkey -pubout -in KEY";
            Ok(fail(chain(error)).hint_text(compare))
        }
        Some(Err(_)) => skip("the files cannot be used"),
        _ if tls.client.is_empty() => skip("there is no client certificate"),
        _ => Ok(pass("they do")),
    }
}
