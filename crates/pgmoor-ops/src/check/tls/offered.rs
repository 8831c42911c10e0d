//! Whether the server has TLS.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::Handshake;
use pgmoor::endpoint::SslMode;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-003",
    layer: Layer::Tls,
    title: "the server offers TLS",
    why: "Without TLS everybody on the way reads passwords and data, and can answer in the server's place.",
    needs: "a connection to a PostgreSQL server by TCP",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let tls = on.tls()?;
    let without: Vec<&str> = tls.hosts.iter().filter(|host| matches!(host.handshake, Handshake::NotOffered)).map(|host| host.host.as_str()).collect();
    if without.is_empty() {
        let with: Vec<&str> = tls.hosts.iter().filter(|host| matches!(host.handshake, Handshake::Done { .. } | Handshake::Failed(_)) || !host.chain.is_empty()).map(|host| host.host.as_str()).collect();
        if with.is_empty() {
            return skip("no server was asked for TLS");
        }
        return Ok(pass(format!("{} speaks TLS", with.join(", "))));
    }
    let seen = format!("{} has no TLS", without.join(", "));
    let hint = "at the server: ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf, then select pg_reload_conf()";
    match tls.mode {
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Ok(fail(format!("{seen}, and sslmode={} demands it", tls.mode)).hint_text(hint)),
        _ if on.network().is_ok_and(|network| network.is_local()) => Ok(pass(format!("{seen}, and it is on this machine"))),
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Ok(warn(seen).hint_text(hint)),
    }
}
