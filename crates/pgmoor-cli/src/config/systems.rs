//! What the application of a database needs: built in, configured, or the one laid over the other.

use std::path::Path;

use pgmoor::settings::{
    Data, Entry, Loader, Node, Origin, Place, Problem, Problems, Value, nearest,
};
use pgmoor_ops::requirement::{BUILT_IN, SystemSettings};
use pgmoor_ops::yaml;

/// One system may begin as another, which begins as another.
const MAX_DEPTH: usize = 8;

/// What `name` needs, as the configuration `tree` has it.
///
/// # Errors
/// There is no such system, or it begins as one that does not exist.
pub(crate) fn requirement(name: &str, tree: &Node) -> Result<SystemSettings, Problems> {
    let composed = compose(name, tree, 0).map_err(|problem| Problems(vec![problem]))?;
    let key = format!("systems.{name}");
    let place = Place {
        key: &key,
        range: None,
    };
    // What the file says of it was loaded, and so checked, with the file.
    let mut loader = Loader::for_defaults();
    let loaded = SystemSettings::load(&composed, &place, &mut loader);
    loader.finish(loaded)
}

/// Reports names of systems that mean nothing.
pub(super) fn check_names(tree: &Node, loader: &mut Loader<'_>) {
    let uses = [("databases", "system"), ("systems", "extends")];
    for (section, key) in uses {
        let entries = tree.entry(section).and_then(|entry| entry.value.entries());
        for entry in entries.unwrap_or_default() {
            let Some(named) = entry
                .value
                .entry(key)
                .filter(|named| named.value.is_scalar())
            else {
                continue;
            };
            let key = format!("{section}.{}.{key}", entry.key);
            let place = Place {
                key: &key,
                range: None,
            };
            let Some(name) = loader.text(&named.value, &place) else {
                continue;
            };
            // A system that is named as a built-in one may begin as that.
            if let Err(problem) = compose(&name, tree, 0) {
                loader.report(Problem {
                    origin: named.value.origin.clone(),
                    ..problem
                });
            }
        }
    }
}

/// The section of `name` with all that it begins as below it.
fn compose(name: &str, tree: &Node, depth: usize) -> Result<Node, Problem> {
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
    let own = tree.at(&["systems", name]);
    let (base, own) = match (own, built_in) {
        (None, None) => return Err(unknown(name, tree)),
        (None, Some((name, text))) => return Ok(built_in_node(name, text)),
        (Some(own), _) => (scalar(own, "extends"), own),
    };
    let Some(base) = base else {
        return Ok(own.clone());
    };
    let base = match (base == name, built_in) {
        (true, Some((name, text))) => built_in_node(name, text),
        _ if depth >= MAX_DEPTH => {
            return Err(Problem::new(
                &own.origin,
                format!("the system \"{name}\" begins as itself, by way of \"{base}\""),
            )
            .hint("remove one \"extends\""));
        }
        _ => compose(base, tree, depth + 1)?,
    };
    Ok(lay_over(&base, own))
}

fn scalar<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.entry(key)?.value.data {
        Data::Scalar(text) => Some(text),
        Data::Null | Data::List(_) | Data::Map(_) => None,
    }
}

fn built_in_node(name: &str, text: &str) -> Node {
    let mut problems = Vec::new();
    let node = yaml::parse(text, Path::new(name), &mut problems);
    node.expect("built-in systems are tested")
}

/// `over` wins, key by key; lists and single values as a whole.
fn lay_over(base: &Node, over: &Node) -> Node {
    let (Data::Map(below), Data::Map(above)) = (&base.data, &over.data) else {
        return match over.data {
            Data::Null => base.clone(),
            _ => over.clone(),
        };
    };
    let kept = below.iter().map(|entry| match over.entry(&entry.key) {
        Some(own) => Entry {
            value: lay_over(&entry.value, &own.value),
            ..own.clone()
        },
        None => entry.clone(),
    });
    let added = above
        .iter()
        .filter(|entry| base.entry(&entry.key).is_none());
    Node {
        data: Data::Map(kept.chain(added.cloned()).collect()),
        origin: over.origin.clone(),
    }
}

fn unknown(name: &str, tree: &Node) -> Problem {
    let own = tree
        .entry("systems")
        .and_then(|entry| entry.value.entries());
    let own = own
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str());
    let mut known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).chain(own).collect();
    known.sort_unstable();
    known.dedup();
    let problem = Problem::new(&Origin::Default, format!("there is no system \"{name}\""));
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
        None => problem.hint(format!(
            "known are {}; others are described under \"systems\"",
            known.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use pgmoor_ops::requirement::Right;

    use super::*;

    fn tree(text: &str) -> Node {
        let mut problems = Vec::new();
        let tree = yaml::parse(text, Path::new("p.yaml"), &mut problems).expect("YAML");
        assert!(problems.is_empty());
        tree
    }

    #[test]
    fn every_built_in_system_is_in_order_and_has_a_title() {
        for (name, _) in BUILT_IN {
            let system = requirement(name, &tree("")).expect("a system");

            assert!(system.title.is_some(), "{name}");
        }
    }

    #[test]
    fn a_system_of_ones_own_is_laid_over_the_one_that_it_begins_as() {
        let tree = tree(
            "systems:\n  ours: { extends: langsmith, replicas: 9, extensions: { vector: { schema: ai } } }\n  \
             langsmith: { extends: langsmith, min_version: 16 }\n",
        );

        let ours = requirement("ours", &tree).expect("a system");

        assert_eq!(ours.replicas.get(), 9);
        assert_eq!(ours.min_version, 16);
        assert!(ours.extensions.contains_key("pg_trgm"));
        assert_eq!(ours.extensions["vector"].schema.as_deref(), Some("ai"));
        assert!(ours.needs(Right::CreateExtension));
    }

    #[test]
    fn a_system_that_does_not_exist_or_begins_as_itself_is_told() {
        let tree = tree("systems:\n  a: { extends: b }\n  b: { extends: a }\n");

        let circle = requirement("a", &tree).expect_err("a circle");
        let unknown = requirement("langsmiht", &tree).expect_err("unknown");

        assert!(circle.0[0].what.contains("begins as itself"));
        assert_eq!(
            unknown.0[0].hint.as_deref(),
            Some("did you mean \"langsmith\"?")
        );
    }
}
