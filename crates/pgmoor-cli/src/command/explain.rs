//! `pgmoor explain`: what a check is, without a network.

use pgmoor_ops::check::{Check, registry};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

/// Prints it.
pub(super) fn run(id: &'static str, output: Output) -> Result<Exit, Failure> {
    let check = registry::find(id).expect("the arguments were checked against the registry");
    match output.format {
        Format::Json => output.json(&json!({ "schema": SCHEMA, "check": described(check) })),
        Format::Text => output.data(&format!(
            "{} ({})\n  passes when  {}\n  why          {}\n  needs        {}\n  page         docs/reference/checks.md#{}\n",
            check.id, check.layer, check.title, check.why, check.needs, check.id.to_lowercase()
        )),
    }
    Ok(Exit::Ok)
}

/// Prints all.
pub(super) fn list(output: Output) {
    match output.format {
        Format::Json => {
            let checks: Vec<Value> = registry::all().map(described).collect();
            output.json(&json!({ "schema": SCHEMA, "checks": checks }));
        }
        Format::Text => {
            let mut text = String::new();
            let mut last = None;
            for check in registry::all() {
                if last.replace(check.layer) != Some(check.layer) {
                    text.push_str(&format!(
                        "{}{}\n",
                        if text.is_empty() { "" } else { "\n" },
                        check.layer
                    ));
                }
                text.push_str(&format!(
                    "  {}  {}\n               {}\n",
                    check.id, check.title, check.why
                ));
            }
            output.data(&text);
        }
    }
}

fn described(check: &Check) -> Value {
    json!({
        "id": check.id,
        "layer": check.layer,
        "title": check.title,
        "why": check.why,
        "needs": check.needs,
    })
}
