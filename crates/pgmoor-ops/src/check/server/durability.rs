//! Whether what was committed survives a crash.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

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
    let off: Vec<&str> = ["fsync", "full_page_writes", "synchronous_commit"]
        .into_iter()
        .filter(|name| server.setting(name) == Some("off"))
        .collect();
    let hint = off.iter().map(|name| format!("ALTER SYSTEM SET {name} = on")).collect::<Vec<_>>().join("; ");
    let hint = format!("{hint}; SELECT pg_reload_conf()");
    Ok(match off[..] {
        [] => pass("fsync, full_page_writes and synchronous_commit are on"),
        ["synchronous_commit"] => warn("synchronous_commit is off: the last moments before a crash are lost").hint(hint),
        _ => warn(format!("{} off: a crash can lose the database", off.join(" and "))).hint(hint),
    })
}
