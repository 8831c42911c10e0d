//! Whether the files for TLS can be used.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::error::chain;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-001",
    layer: Layer::Tls,
    title: "the files that TLS needs here can be used",
    why: "A root certificate, a client certificate or a key that is missing or damaged stops every connection before it is made.",
    needs: "a connection by TCP",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let Some(host) = on.tls()?.telling() else {
        return skip("there is no host");
    };
    match &host.verification {
        Ok(_) => Ok(pass("they can")),
        Err(error) if trouble::of(on)? == Some(Trouble::Files) => {
            if on.configuration().secret_files.iter().any(|file| file.what == "private key" && file.is_too_open()) {
                return skip("see PGM-CFG-010");
            }
            let hint = error.hint().unwrap_or_else(|| "correct the path, or the file".to_owned());
            Ok(fail(chain(error)).hint(hint))
        }
        Err(_) => skip("see PGM-TLS-002"),
    }
}
