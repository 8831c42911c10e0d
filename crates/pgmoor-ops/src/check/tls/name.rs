//! Whether the server's certificate is for the host's name.

use pgmoor::endpoint::Verification;

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::HostTls;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-006",
    layer: Layer::Tls,
    title: "the server's certificate is for the host's name",
    why: "A certificate for another name is good for another server: whoever has one could answer in this server's place.",
    needs: "a server with TLS, and sslmode=verify-full",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if let Some(host) = on.tls()?.telling()
        && matches!(host.verification, Ok(Verification::None | Verification::Chain))
    {
        return skip(format!("sslmode={} does not look at it, see PGM-CFG-015", on.tls()?.mode));
    }
    trouble::judge(
        on,
        |trouble| *trouble == Trouble::Name,
        |host| format!("it is for {}", names(host)),
        |host, _| {
            fail(format!("{} shows a certificate for {}", host.host, names(host))).hint_text(
                "connect by one of those names (by a CNAME or an address of one's own: hostaddr=ADDRESS beside host=NAME), or get a certificate for this one",
            )
        },
    )
}

fn names(host: &HostTls) -> String {
    match host.chain.first() {
        Some(own) if !own.names.is_empty() => own.names.join(", "),
        Some(own) => format!("\"{}\"", own.subject),
        None => "an unknown name".to_owned(),
    }
}
