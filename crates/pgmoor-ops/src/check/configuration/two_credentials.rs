//! Whether a password is given where a cloud's identity logs in.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-013",
    layer: Layer::Configuration,
    title: "no password is given beside a cloud's identity",
    why: "The password is not used, but it is there to be stolen, and whoever rotates it believes to have done something.",
    needs: "a login by a cloud's identity",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    if !configuration.credential.is_iam() {
        return skip("no cloud's identity logs in");
    }
    let has_password = configuration
        .endpoint()
        .is_some_and(|address| address.password.is_some());
    if !has_password {
        return Ok(pass(format!("{} alone logs in", configuration.credential)));
    }
    Ok(warn(format!(
        "the address has a password, and {} logs in",
        configuration.credential
    ))
    .hint_text("remove the password from the address; once nobody logs in by it: ALTER ROLE … PASSWORD NULL"))
}
