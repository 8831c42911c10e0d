//! Whether anything else stops the handshake.

use super::trouble::{self, Trouble};
use crate::check::verdict::fail;
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::Handshake;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-011",
    layer: Layer::Tls,
    title: "nothing else stops the handshake",
    why: "Without a handshake there is no session.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    trouble::judge(
        on,
        |trouble| matches!(trouble, Trouble::Other(_)),
        |host| match host.handshake {
            Handshake::Done { took, .. } => format!("done in {}", duration(took)),
            _ => "it was done".to_owned(),
        },
        |host, trouble| {
            let why = match trouble {
                Trouble::Other(why) => why.as_str(),
                _ => "",
            };
            fail(format!("{}: {why}", host.host))
                .hint_text("look at it: openssl s_client -starttls postgres -connect HOST:PORT -showcerts")
        },
    )
}
