//! What every section checks: that its keys exist.

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::{Problem, nearest};
use super::value::join;

/// Reports keys that do not exist, with the nearest that does; `false` when there was one, or when
/// the node is no section at all.
pub fn check_keys(node: &Node, place: &Place<'_>, known: &[&str], loader: &mut Loader<'_>) -> bool {
    let Some(entries) = node.entries() else {
        loader.report(
            Problem::new(
                &node.origin,
                format!("\"{}\" must be a section with keys", place.key),
            )
            .cause(format!("it is {}", node.kind()))
            .hint(format!("its keys are {}", known.join(", "))),
        );
        return false;
    };
    let mut all_known = true;
    for entry in entries
        .iter()
        .filter(|entry| !known.contains(&entry.key.as_str()))
    {
        all_known = false;
        let problem = Problem::new(
            &entry.origin,
            format!("unknown key \"{}\"", join(place.key, &entry.key)),
        );
        loader.report(match nearest(&entry.key, known.iter().copied()) {
            Some(name) => problem.hint(format!("did you mean \"{name}\"?")),
            None => problem.hint(format!("the keys here are {}", known.join(", "))),
        });
    }
    all_known
}
