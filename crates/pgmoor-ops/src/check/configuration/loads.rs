//! Whether the configuration as a whole is in order.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-001",
    layer: Layer::Configuration,
    title: "the configuration is in order",
    why: "pgmoor does not start with a configuration that says something it does not understand: it would do something else than was meant.",
    needs: "nothing",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    let others: Vec<_> = configuration
        .problems
        .iter()
        .filter(|problem| problem.missing_variable.is_none())
        .collect();
    if others.is_empty() {
        return Ok(pass(configuration.origin.clone()));
    }
    let seen = others.iter().map(|problem| match &problem.cause {
        Some(cause) => format!("{}: {cause}", problem.headline()),
        None => problem.headline(),
    });
    let hints = others.iter().filter_map(|problem| problem.hint.clone());
    let hints: Vec<String> = hints.chain(["pgmoor config check".to_owned()]).collect();
    Ok(fail(seen.collect::<Vec<_>>().join("\n")).hint(hints.join("\n")))
}
