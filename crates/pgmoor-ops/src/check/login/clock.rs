//! Whether the clocks agree.

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

/// From here on tokens and certificates begin to be refused, in seconds; and from there on they are.
const NOTABLE: f64 = 5.0;
const FATAL: f64 = 300.0;

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-016",
    layer: Layer::Login,
    title: "the clock of this host and that of the server agree",
    why: "Tokens and certificates are valid from and until a moment: a host whose clock is off is refused, and its logs cannot be compared.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let clock = on.server()?.clock;
    let off = clock.ahead.abs();
    let seen = format!(
        "the server's clock is {:.1} s {} ours (± {:.1} s)",
        off,
        if clock.ahead < 0.0 { "behind" } else { "ahead of" },
        clock.error
    );
    let hint = "see which one is wrong: timedatectl, chronyc tracking; a virtual machine that slept needs its clock set";
    Ok(match off - clock.error {
        off if off > FATAL => fail(seen).hint_text(hint),
        off if off > NOTABLE => warn(seen).hint_text(hint),
        _ => pass(seen),
    })
}
