//! Whether the server takes our certificate.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-010",
    layer: Layer::Tls,
    title: "the server takes the client certificate",
    why: "The server trusts its own list of authorities for clients (ssl_ca_file), which is another than ours for servers.",
    needs: "a client certificate",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let tls = on.tls()?;
    let Some(own) = tls.client.first() else {
        return skip("there is no client certificate");
    };
    if tls.client.iter().any(|own| own.not_after < on.asked.now) {
        return skip("it is not valid any more, see PGM-TLS-009");
    }
    let issuer = own.issuer.clone();
    trouble::judge(
        on,
        |trouble| matches!(trouble, Trouble::ClientRefused(_) | Trouble::ClientValidity),
        |_| format!("\"{}\" by \"{issuer}\"", own.subject),
        |_, trouble| {
            let said = match trouble {
                Trouble::ClientRefused(said) => said.as_str(),
                _ => "the server finds it expired",
            };
            fail(format!("\"{}\" by \"{issuer}\": {said}", own.subject)).hint(format!(
                "use a certificate of an authority in the server's ssl_ca_file, or have \"{issuer}\" added there; the intermediates belong into sslcert's file"
            ))
        },
    )
}
