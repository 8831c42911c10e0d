//! Whether timestamps without a zone mean the same everywhere.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use super::undo;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-014",
    layer: Layer::Server,
    title: "the time zone is UTC",
    why: "now() and timestamps without a zone follow the server. In another zone than UTC, hours are missing or twice when clocks change.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    let zone = server.setting("TimeZone").unwrap_or("UTC");
    let is_utc = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Zulu", "Etc/UCT", "Etc/Zulu", "Universal", "Etc/Universal"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(zone));
    match is_utc {
        true => Ok(pass(zone)),
        false => Ok(warn(format!("TimeZone is {zone}")).hint(undo(server, on, "TimeZone", "'UTC'"))),
    }
}
