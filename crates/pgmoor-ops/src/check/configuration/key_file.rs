//! Whether others can read the private key.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-010",
    layer: Layer::Configuration,
    title: "the private key can be read by its owner only",
    why: "Whoever reads the key can be the application. libpq refuses such a key, and so does pgmoor.",
    needs: "an address with sslkey",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let mut files = on.configuration().secret_files.iter();
    let Some(key) = files.find(|file| file.what == "private key") else {
        return skip("no sslkey is given");
    };
    let path = key.path.display();
    match key.mode {
        None => skip(format!("{path} is not there, see PGM-TLS-001")),
        Some((mode, 0)) if key.is_too_open() => Ok(fail(format!("{path} has mode {mode:04o} and is root's"))
            .hint(format!("chmod 0640 {path}; for a mounted Kubernetes Secret: defaultMode: 0440"))),
        Some((mode, _)) if key.is_too_open() => Ok(fail(format!("{path} has mode {mode:04o}")).hint(format!("chmod 0600 {path}"))),
        Some((mode, _)) => Ok(pass(format!("{path} has mode {mode:04o}"))),
    }
}
