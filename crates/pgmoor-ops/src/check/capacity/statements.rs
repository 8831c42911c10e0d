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
    let is_installed = known.is_some_and(|known| known.installed.is_some());
    let is_preloaded = facts
        .preloaded
        .as_ref()
        .map(|libraries| libraries.iter().any(|library| library == "pg_stat_statements"));
    Ok(match (is_installed, is_preloaded) {
        (true, Some(true)) => pass("it is installed and loaded"),
        (true, None) => pass("it is installed; whether it is loaded is not shown to the login"),
        (true, Some(false)) => warn("pg_stat_statements is installed, but not loaded: its view gives an error").hint_text(
            "add it to shared_preload_libraries and restart the server",
        ),
        (false, Some(true)) => warn("pg_stat_statements is loaded, but not installed in this database")
            .hint_text("CREATE EXTENSION pg_stat_statements"),
        (false, _) if known.is_some() => warn("pg_stat_statements is not installed").hint_text(
            "CREATE EXTENSION pg_stat_statements; where that is not enough, add it to shared_preload_libraries and restart the server",
        ),
        (false, _) => warn("the server has no pg_stat_statements")
            .hint_text("install the package with the contributed extensions"),
    })
}
