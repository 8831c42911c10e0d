//! How well the way of the login protects the password.

use pgmoor::endpoint::AuthMethod;

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-015",
    layer: Layer::Login,
    title: "the login does not show the password",
    why: "In clear text the server, and whoever answers in its place, reads the password; MD5 is broken and leaves PostgreSQL. SCRAM shows it to nobody.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let session = on.session()?;
    let by_token = on.configuration().credential.is_token();
    let scram = format!(
        "at the server: set password_encryption = 'scram-sha-256', then in psql: \\password {}, then scram-sha-256 in pg_hba.conf",
        session.user
    );
    Ok(match session.method {
        AuthMethod::Password if by_token => pass("a token, in clear text inside TLS, as the cloud wants it"),
        AuthMethod::Password => warn("the password goes in clear text").hint(format!("{scram}; where the server asks LDAP or PAM, keep sslmode=verify-full")),
        AuthMethod::Md5 => warn("the password goes as an MD5 hash").hint(scram),
        AuthMethod::None if on.configuration().endpoint().is_some_and(|address| address.password.is_some()) => {
            warn("the server lets us in without asking for the password").hint_text("in pg_hba.conf: scram-sha-256 in place of trust")
        }
        AuthMethod::None => pass("the server asks for no password"),
        method => pass(method.as_str()),
    })
}
