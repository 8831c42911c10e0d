//! Whether changes can be followed.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Vendor;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-001",
    layer: Layer::Move,
    title: "changes can be decoded from the WAL",
    why: "With wal_level = logical a database is moved while it is used; without, it has to be paused for as long as the copy takes.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    on.moving()?;
    let server = on.server()?;
    let level = server.setting("wal_level").unwrap_or("unknown");
    if level == "logical" {
        return Ok(pass("wal_level is logical"));
    }
    let hint = match server.vendor {
        Vendor::Plain => "ALTER SYSTEM SET wal_level = logical, and restart the server; or copy the database in a pause".to_owned(),
        vendor => format!("switch {} on for the instance, which restarts it; or copy the database in a pause", vendor.logical_setting()),
    };
    Ok(fail(format!("wal_level is {level}")).hint(hint))
}
