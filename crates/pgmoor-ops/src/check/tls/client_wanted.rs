//! Whether the server demands a client certificate that there is none of.

use super::trouble::{self, Trouble};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-008",
    layer: Layer::Tls,
    title: "the server demands no client certificate that is missing here",
    why: "With clientcert=verify-ca or verify-full in pg_hba.conf a password alone does not log in.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let has_one = !on.tls()?.client.is_empty();
    trouble::judge(
        on,
        |trouble| *trouble == Trouble::ClientWanted,
        |_| match has_one {
            true => "there is one".to_owned(),
            false => "it demands none".to_owned(),
        },
        |host, _| {
            fail(format!("{} demands a client certificate, and there is none", host.host)).hint_text(
                "have one made for this user (CN = user) by the server's authority, and set sslcert=FILE and sslkey=FILE",
            )
        },
    )
}
