//! Whether the server has to prove who it is.

use pgmoor::endpoint::{RootCert, SslMode};

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-015",
    layer: Layer::Configuration,
    title: "sslmode makes the server prove who it is",
    why: "Encryption without verification keeps listeners out, and lets anybody in between answer in the server's place and read everything.",
    needs: "an address of a server on another machine",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let Some(address) = on.configuration().endpoint() else {
        return skip("there is no address that can be read");
    };
    let is_local = |host: &pgmoor::endpoint::Host| {
        host.is_socket()
            || host.name() == Some("localhost")
            || host.address().is_some_and(|address| address.is_loopback())
    };
    if address.hosts.iter().all(is_local) {
        return skip("the server is on this machine");
    }
    let mode = address.tls.mode;
    let seen = format!("sslmode={mode}");
    let is_named = !matches!(address.tls.root_cert, RootCert::Default | RootCert::Unverified);
    let what = match mode {
        SslMode::VerifyFull => return Ok(pass(seen)),
        SslMode::VerifyCa => "looks at who signed the certificate, not at the name in it",
        SslMode::Require if is_named => "looks at who signed the certificate, not at the name in it",
        SslMode::Require => "encrypts, and takes anybody's certificate",
        SslMode::Allow | SslMode::Prefer => "takes anybody's certificate, and no TLS at all when asked to",
        SslMode::Disable => "sends everything as it is",
    };
    Ok(warn(format!("{seen} {what}"))
        .hint_text("set sslmode=verify-full and sslrootcert=FILE with the server's authority, or sslrootcert=system for one that a public authority signed"))
}
