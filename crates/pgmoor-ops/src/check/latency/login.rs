//! How long a login takes.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

const SLOW: Duration = Duration::from_millis(800);

pub(super) const CHECK: Check = Check {
    id: "PGM-LAT-005",
    layer: Layer::Latency,
    title: "a login is quick",
    why: "An application that opens a connection for each request waits that long each time; servers that ask LDAP or PAM, or look up the client's name, are slow at it.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    on.session()?;
    let took = on.login()?.took;
    let seen = format!("{} from the name to the session", duration(took));
    if took > SLOW {
        return Ok(warn(seen).hint_text(
            "let pgmoor pool (pool.min_idle keeps connections ready); at the server: log_hostname = off, and look at what LDAP or PAM wait for",
        ));
    }
    Ok(pass(seen))
}
