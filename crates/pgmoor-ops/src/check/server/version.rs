//! Whether the server is new enough for the application.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-001",
    layer: Layer::Server,
    title: "the version is one that the application runs on",
    why: "Migrations use what newer versions brought; on an older one they fail half-way.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    let wanted = on.asked.requirement.min_version;
    let seen = format!("{} {}", server.vendor.title(), server.version_text);
    if server.major() >= wanted {
        return Ok(pass(seen));
    }
    Ok(fail(format!("{seen}; {} needs {wanted} or newer", on.asked.system))
        .hint(format!("upgrade the server to PostgreSQL {wanted} or newer")))
}
