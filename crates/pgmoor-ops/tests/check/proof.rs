//! That no check is without its two tests.

use std::fs;
use std::path::Path;

use pgmoor_ops::check::registry;

#[test]
fn each_check_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let mut sources = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        sources.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let plain: String = sources.split_whitespace().collect();
    let has = |asserted: &[&str], id: &str| {
        let quoted = format!("\"{id}\"");
        asserted.iter().any(|assertion| {
            plain.match_indices(assertion).any(|(at, _)| {
                let rest = &plain[at + assertion.len()..];
                let end = rest.find([';', '{']).unwrap_or(rest.len());
                rest[..end].contains(&quoted)
            })
        })
    };
    let mut missing = Vec::new();
    for check in registry::all() {
        if !has(&["fires(", "leads("], check.id) {
            missing.push(format!("{} is not seen to fire", check.id));
        }
        if !has(&["passes("], check.id) {
            missing.push(format!("{} is not seen to pass", check.id));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
