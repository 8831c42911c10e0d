//! Whether a token goes out to a verified server only.

use pgmoor::endpoint::{SslMode, Verification};

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-014",
    layer: Layer::Configuration,
    title: "tokens go out to verified servers only",
    why: "A token is sent as it is, and whoever reads it is you until it ends, on Google even outside the database. The clouds take it by TLS only.",
    needs: "a login by a cloud's token",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    let Some(address) = configuration.endpoint() else {
        return skip("there is no address that can be read");
    };
    if !configuration.credential.is_token() {
        return skip("no token logs in");
    }
    let mode = address.tls.mode;
    let seen = format!("{} with sslmode={mode}", configuration.credential);
    // A root certificate that is named is there, or nothing works at all.
    let verification = address.tls.verification(true);
    let is_always_tls = matches!(mode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull);
    let is_named = match address.tls.root_cert {
        pgmoor::endpoint::RootCert::Default => mode >= SslMode::VerifyCa,
        _ => verification != Verification::None,
    };
    if is_always_tls && is_named {
        return Ok(pass(seen));
    }
    let hint = "set sslmode=verify-full, and sslrootcert to the cloud's authorities (or system)";
    Ok(match configuration.allows_unverified_tls {
        true => warn(format!("{seen}, and allow_unverified_tls sends it all the same")),
        false => fail(format!("{seen}: it is not sent")),
    }
    .hint_text(hint))
}
