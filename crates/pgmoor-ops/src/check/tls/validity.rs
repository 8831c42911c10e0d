//! Whether the server's certificate is valid, and for how long.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, warn};
use crate::check::words::{date, days};
use crate::check::{Check, Ground, Layer, Outcome};

/// An operator wants to know this long before.
const SOON: u64 = 30;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-007",
    layer: Layer::Tls,
    title: "the server's certificate is valid for 30 days and more",
    why: "When it expires, every new connection fails at the same moment; those that are open go on, which makes it hard to see.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let renew = "renew the server's certificate; then, at the server: select pg_reload_conf()";
    let verdict = trouble::judge(
        on,
        |trouble| *trouble == Trouble::Validity,
        |_| String::new(),
        |host, _| {
            let Some(own) = host.chain.first() else {
                return fail("it is not valid now").hint_text(renew);
            };
            let (from, to) = (date(own.not_before), date(own.not_after));
            let seen = format!("that of {} is valid from {from} to {to}, today is {}", host.host, date(on.asked.now));
            fail(seen).hint(format!("{renew}; or correct the clock of this host"))
        },
    )?;
    if verdict.hint.is_some() {
        return Ok(verdict);
    }
    let chain = on.tls()?.telling().map(|host| host.chain.as_slice()).unwrap_or_default();
    let Some(first) = chain.iter().min_by_key(|certificate| certificate.not_after) else {
        return Ok(verdict);
    };
    let left = first.not_after.duration_since(on.asked.now).map(days);
    let seen = format!("\"{}\" is valid until {}", first.subject, date(first.not_after));
    Ok(match left {
        Ok(left) if left >= SOON => crate::check::verdict::pass(format!("{seen}, {left} days")),
        Ok(left) => warn(format!("{seen}: {left} days are left")).hint_text(renew),
        // Nobody looked at it in the handshake.
        Err(_) => warn(format!("{seen}, which is over, and sslmode={} does not look at it", on.tls()?.mode)).hint_text(renew),
    })
}
