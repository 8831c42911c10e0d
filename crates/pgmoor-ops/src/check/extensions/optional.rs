//! Whether what the application can do without is there.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-007",
    layer: Layer::Extensions,
    title: "the extensions that the application can do without are installed",
    why: "Without them it runs, and something in it is missing or slower; often nobody knows why.",
    needs: "an application with optional extensions",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let optional: Vec<&String> = on
        .asked
        .requirement
        .extensions
        .iter()
        .filter(|(_, wanted)| wanted.optional)
        .map(|(name, _)| name)
        .collect();
    if optional.is_empty() {
        return skip("the application has no optional extension");
    }
    let facts = on.extensions()?;
    let known = |name: &str| facts.extensions.get(name);
    let missing: Vec<&str> = optional
        .iter()
        .map(|name| name.as_str())
        .filter(|name| known(name).is_none_or(|known| known.installed.is_none()))
        .collect();
    if missing.is_empty() {
        let all: Vec<&str> = optional.iter().map(|name| name.as_str()).collect();
        return Ok(pass(all.join(", ")));
    }
    let (there, absent): (Vec<&str>, Vec<&str>) = missing
        .iter()
        .partition(|name| known(name).is_some_and(|known| known.available.is_some()));
    let mut hints: Vec<String> = there
        .iter()
        .map(|name| format!("CREATE EXTENSION IF NOT EXISTS {}", identifier(name)))
        .collect();
    if !absent.is_empty() {
        hints.push(format!(
            "{} would have to be installed on the server's host, or offered by its vendor",
            absent.join(", ")
        ));
    }
    Ok(warn(format!("{} not installed", missing.join(", "))).hint(hints.join("; ")))
}
