//! Whether their SQL is that of the files that the server has.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-006",
    layer: Layer::Extensions,
    title: "installed extensions are updated",
    why: "After an upgrade of the server an extension stays at the version it had until somebody updates it; a later dump may not restore elsewhere.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let facts = on.extensions()?;
    let behind: Vec<(&str, &str, &str)> = facts
        .extensions
        .iter()
        .filter_map(|(name, known)| {
            let (installed, available) = (known.installed.as_deref()?, known.available.as_deref()?);
            (installed != available).then_some((name.as_str(), installed, available))
        })
        .collect();
    if behind.is_empty() {
        return Ok(pass("each is at the server's own version"));
    }
    let seen = behind.iter().map(|(name, installed, available)| format!("{name} is {installed}, the server has {available}"));
    let update = behind.iter().map(|(name, ..)| format!("ALTER EXTENSION {} UPDATE", identifier(name)));
    Ok(warn(seen.collect::<Vec<_>>().join("; ")).hint(update.collect::<Vec<_>>().join("; ")))
}
