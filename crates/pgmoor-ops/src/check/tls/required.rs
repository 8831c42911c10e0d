//! Whether the server insists on TLS.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::plain::Plain;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-013",
    layer: Layer::Tls,
    title: "the server refuses sessions without TLS",
    why: "As long as the server lets anybody in without TLS, one program with the wrong sslmode sends its password as everybody can read it. To find out, one login without TLS is begun, and left before anything secret is said.",
    needs: "a server with TLS",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    match on.plain()? {
        Plain::Refused(said) => Ok(pass(said.clone())),
        Plain::LetIn if on.network().is_ok_and(|network| network.is_local()) => {
            Ok(pass("it does not, and it is on this machine"))
        }
        Plain::LetIn => Ok(warn("it begins the login without TLS").hint_text(
            "in pg_hba.conf: hostssl in place of host, before a line \"hostnossl all all all reject\"; at RDS: rds.force_ssl=1; at Azure: require_secure_transport=on; at Cloud SQL: --ssl-mode=ENCRYPTED_ONLY",
        )),
    }
}
