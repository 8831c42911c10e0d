//! Whether the client certificate is for this user.

use super::refusal::{self, Refusal};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-007",
    layer: Layer::Login,
    title: "the client certificate is for this user",
    why: "With the method cert, or clientcert=verify-full, the common name of the certificate must be the name of the user, or be mapped to it.",
    needs: "a server that logs in by certificate",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if on.tls()?.client.is_empty() {
        return skip("there is no client certificate");
    }
    refusal::judge(
        on,
        Refusal::Certificate,
        |session| format!("\"{}\" was let in", session.user),
        |error, user| fail(refusal::said(error)).hint(format!("use a certificate with CN={user}, or map it in pg_ident.conf: mapname  COMMON-NAME  {user}, with map=mapname in pg_hba.conf")),
    )
}
