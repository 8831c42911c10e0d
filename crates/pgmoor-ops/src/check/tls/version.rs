//! Which version of TLS both sides agree on.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::Handshake;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-004",
    layer: Layer::Tls,
    title: "both sides agree on TLS 1.3",
    why: "TLS 1.2 is still safe with the ciphers that pgmoor takes, but shows client certificates to listeners and takes one round trip more; anything older is not spoken.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let hint = "at the server: ssl_min_protocol_version and ssl_max_protocol_version; in the address: ssl_min_protocol_version, ssl_max_protocol_version";
    let mut verdict = trouble::judge(
        on,
        |trouble| *trouble == Trouble::Version,
        |host| match host.handshake {
            Handshake::Done { version, .. } => version.to_owned(),
            _ => String::new(),
        },
        |host, _| fail(format!("{} and we speak no common version", host.host)).hint_text(hint),
    )?;
    if verdict.seen == "TLSv1.2" {
        verdict = warn("TLSv1.2").hint_text(hint);
    } else if verdict.hint.is_none() {
        verdict = pass(verdict.seen);
    }
    Ok(verdict)
}
