//! Whether what was committed survives a crash.

use super::undo;
use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Vendor;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-012",
    layer: Layer::Server,
    title: "what was committed survives a crash",
    why: "With these settings off, a crash of the server loses transactions that were reported as done, or the whole database.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    // There the storage sees to it, and the settings are off on purpose.
    let by_storage = matches!(server.vendor, Vendor::Neon | Vendor::Aurora | Vendor::AlloyDb);
    let names: &[&str] = match by_storage {
        true => &["synchronous_commit"],
        false => &["fsync", "full_page_writes", "synchronous_commit"],
    };
    let off: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| server.setting(name) == Some("off"))
        .collect();
    let [first, ..] = off[..] else {
        return Ok(pass(format!("{} on", names.join(", "))));
    };
    if first == "synchronous_commit" {
        return Ok(
            warn("synchronous_commit is off: the last moments before a crash are lost")
                .hint(undo(server, on, "synchronous_commit", "on")),
        );
    }
    let hint = match server.vendor.is_managed() {
        true => format!("switch {} on in the parameters of the instance", off.join(" and ")),
        false => {
            let set = off.iter().map(|name| format!("ALTER SYSTEM SET {name} = on"));
            format!("{}; SELECT pg_reload_conf()", set.collect::<Vec<_>>().join("; "))
        }
    };
    Ok(warn(format!("{} off: a crash can lose the database", off.join(" and "))).hint(hint))
}
