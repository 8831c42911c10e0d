//! Whether our own certificate is valid, and for how long.

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::words::{date, days};
use crate::check::{Check, Ground, Layer, Outcome};

/// An operator wants to know this long before.
const SOON: u64 = 30;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-009",
    layer: Layer::Tls,
    title: "the client certificate is valid for 30 days and more",
    why: "When it expires, nobody logs in any more.",
    needs: "a client certificate",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let tls = on.tls()?;
    let Some(own) = tls.client.iter().min_by_key(|certificate| certificate.not_after) else {
        return skip("there is no client certificate");
    };
    let seen = format!("\"{}\" is valid from {} to {}", own.subject, date(own.not_before), date(own.not_after));
    let renew = "have a new one made, and replace the files of sslcert and sslkey: they are read again for each connection";
    let is_refused = matches!(trouble::of(on), Ok(Some(Trouble::ClientValidity | Trouble::ClientRefused(_))));
    let now = on.asked.now;
    Ok(match own.not_after.duration_since(now).map(days) {
        Err(_) if is_refused => fail(format!("{seen}, and the server refuses it")).hint_text(renew),
        Err(_) => warn(format!("{seen}, which is over; the server did not ask for it")).hint_text(renew),
        Ok(_) if own.not_before > now => fail(format!("{seen}, which is still to come")).hint_text("correct the clock of this host"),
        Ok(left) if left < SOON => warn(format!("{seen}: {left} days are left")).hint_text(renew),
        Ok(left) => pass(format!("{seen}: {left} days are left")),
    })
}
