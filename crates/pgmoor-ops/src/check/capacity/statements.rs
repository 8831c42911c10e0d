//! Whether one can see what the server is busy with.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-004",
    layer: Layer::Capacity,
    title: "pg_stat_statements is there",
    why: "Without it nobody can say afterwards which queries took the time.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let facts = on.extensions()?;
    let known = facts.extensions.get("pg_stat_statements");
    if known.is_some_and(|known| known.installed.is_some()) {
        return Ok(pass("it is installed"));
    }
    Ok(match known.is_some_and(|known| known.available.is_some()) {
        true => warn("pg_stat_statements is not installed").hint_text(
            "add it to shared_preload_libraries, restart the server, and CREATE EXTENSION pg_stat_statements",
        ),
        false => warn("the server has no pg_stat_statements").hint_text("install the package with the contributed extensions"),
    })
}
