//! Whether a secret has blanks or line breaks around it.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-007",
    layer: Layer::Configuration,
    title: "no blanks or line breaks stand around the address and its secrets",
    why: "A line break that came along when the Secret was made is part of the password for the server, and cannot be seen in any log.",
    needs: "nothing",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let blanks = &on.configuration().blanks;
    if blanks.is_empty() {
        return Ok(pass("there are none"));
    }
    Ok(warn(format!("there are some around {}", blanks.join(", "))).hint_text(
        "make it without a line break: printf %s \"$PASSWORD\" > FILE; \
         kubectl create secret generic NAME --from-file=password=FILE",
    ))
}
