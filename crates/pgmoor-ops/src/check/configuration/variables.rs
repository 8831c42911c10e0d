//! Whether every variable that the configuration names is set.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-002",
    layer: Layer::Configuration,
    title: "every ${VAR} of the configuration is set",
    why: "A variable that is missing is mostly a Secret that was not mounted, or a typo. pgmoor does not put an empty password in its place.",
    needs: "nothing",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let problems = &on.configuration().problems;
    let mut names: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.missing_variable.as_deref())
        .collect();
    if names.is_empty() {
        return Ok(pass("none is missing"));
    }
    let places = problems
        .iter()
        .filter(|problem| problem.missing_variable.is_some())
        .map(pgmoor::settings::Problem::headline);
    let places: Vec<String> = places.collect();
    names.dedup();
    let export: Vec<String> = names.iter().map(|name| format!("export {name}=…")).collect();
    Ok(fail(places.join("\n")).hint(format!(
        "{}\nin Kubernetes: env with valueFrom.secretKeyRef",
        export.join("\n")
    )))
}
