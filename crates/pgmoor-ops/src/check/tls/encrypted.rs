//! Whether the session is encrypted in the end.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::Handshake;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-012",
    layer: Layer::Tls,
    title: "the session is encrypted",
    why: "With sslmode=disable, allow or prefer a session may end up without TLS although the server has it, and nobody is told.",
    needs: "a session by TCP",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let tls = on.tls()?;
    let session = on.session()?;
    if let Some(version) = session.tls {
        return Ok(pass(version));
    }
    let offers = tls.hosts.iter().any(|host| matches!(host.handshake, Handshake::Done { .. }));
    if !offers {
        return skip("the server has no TLS, see PGM-TLS-003");
    }
    if on.network().is_ok_and(|network| network.is_local()) {
        return Ok(pass("it is not, and the server is on this machine"));
    }
    Ok(warn(format!("the server has TLS, and the session is without it (sslmode={})", tls.mode))
        .hint_text("set sslmode=verify-full, and sslrootcert to the server's authority"))
}
