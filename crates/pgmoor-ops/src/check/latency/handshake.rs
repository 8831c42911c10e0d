//! How long the TLS handshake takes.

use std::time::Duration;

use crate::check::verdict::{Skip, pass, skip, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::Handshake;

const SLOW: Duration = Duration::from_millis(150);

pub(super) const CHECK: Check = Check {
    id: "PGM-LAT-004",
    layer: Layer::Latency,
    title: "the TLS handshake is quick",
    why: "It takes one round trip or two, and some computing. A server that is busy, or has a key of 4096 bits on a small machine, takes much longer, with each new connection.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let host = on.tls()?.telling().ok_or(Skip::NoGround)?;
    let Handshake::Done { took, .. } = host.handshake else {
        return skip("there was no handshake");
    };
    let seen = duration(took);
    if took > SLOW {
        return Ok(warn(seen).hint_text(
            "compare with the round trip (PGM-LAT-001): if it is far more than two of them, use an ECDSA P-256 key for the server's certificate, or a larger machine; pgmoor keeps connections open, which spares handshakes",
        ));
    }
    Ok(pass(seen))
}
