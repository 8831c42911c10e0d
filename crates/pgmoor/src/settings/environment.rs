//! Keys from the environment: `PGMOOR_GATEWAY__LISTEN` sets `gateway.listen`.
//!
//! The variables are handed in; this module does not look at the process's environment.

use super::node::{Data, Node, Origin};
use super::problem::{Problem, nearest};
use super::shape::Shape;

/// What every variable of ours starts with.
pub const PREFIX: &str = "PGMOOR_";

/// Puts the variables that start with [`PREFIX`] into the tree, over what the file says, and returns
/// what is wrong with them. `reserved` names have a meaning elsewhere and are passed over.
pub fn overlay(
    tree: &mut Node,
    shape: &Shape,
    variables: impl IntoIterator<Item = (String, String)>,
    reserved: &[&str],
) -> Vec<Problem> {
    let mut ours: Vec<_> = variables
        .into_iter()
        .filter(|(name, _)| {
            name.starts_with(PREFIX) && !reserved.contains(&name.as_str()) && !is_service_link(name)
        })
        .collect();
    ours.sort();
    let mut problems = Vec::new();
    for (variable, text) in ours {
        let origin = Origin::environment(&variable);
        let segments: Vec<&str> = variable[PREFIX.len()..].split("__").collect();
        match find(shape, &segments, tree) {
            Some((keys, leaf)) => match value(leaf, &text, &origin) {
                Some(node) => tree.put(&keys, node),
                None => problems.push(
                    Problem::new(
                        &origin,
                        format!(
                            "\"{}\" is a section and has no value of its own",
                            keys.join(".")
                        ),
                    )
                    .hint(format!(
                        "set one of its keys, such as {variable}__{}",
                        first_key(leaf)
                    )),
                ),
            },
            None => problems.push(unknown(&variable, shape, tree, reserved, &origin)),
        }
    }
    problems
}

/// Kubernetes gives every pod variables for each service, and a service may well be called "pgmoor":
/// `PGMOOR_SERVICE_HOST`, `PGMOOR_PORT`, `PGMOOR_PORT_6432_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let after = |word: &str| {
        rest.find(word)
            .filter(|at| *at == 0 || rest[..*at].ends_with('_'))
            .map(|at| &rest[at + word.len()..])
    };
    if rest.contains("__") {
        return false;
    }
    after("SERVICE_HOST").is_some_and(str::is_empty)
        || after("SERVICE_PORT").is_some_and(|tail| tail.is_empty() || tail.starts_with('_'))
        || after("PORT").is_some_and(|tail| {
            tail.is_empty()
                || tail
                    .strip_prefix('_')
                    .is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_digit()))
        })
}

/// The key that the segments mean, and the shape of its value.
fn find<'a>(shape: &'a Shape, segments: &[&str], tree: &Node) -> Option<(Vec<String>, &'a Shape)> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some((Vec::new(), shape.inner()));
    };
    let (key, child) = match shape.inner() {
        Shape::Section(section) => {
            let field = section.field(&segment.to_ascii_lowercase())?;
            (field.name.to_owned(), &field.shape)
        }
        Shape::Map(_, value) if !segment.is_empty() => (map_name(segment, tree), &**value),
        Shape::Map(..)
        | Shape::Scalar(_)
        | Shape::Choice(_)
        | Shape::List(_)
        | Shape::Optional(_) => return None,
    };
    let empty = Node::empty(Origin::Default);
    let below = tree.entry(&key).map_or(&empty, |entry| &entry.value);
    let (mut keys, leaf) = find(child, rest, below)?;
    keys.insert(0, key);
    Some((keys, leaf))
}

/// The name in a map: one that the file has (`my-app` is `MY_APP`), else the segment in lower case.
fn map_name(segment: &str, tree: &Node) -> String {
    let in_file = tree
        .entries()
        .unwrap_or_default()
        .iter()
        .map(|entry| &entry.key);
    in_file
        .clone()
        .find(|name| *name == segment)
        .or_else(|| {
            in_file
                .clone()
                .find(|name| as_segment(name) == segment.to_ascii_uppercase())
        })
        .cloned()
        .unwrap_or_else(|| {
            if segment.contains(|c: char| c.is_ascii_lowercase()) {
                segment.to_owned()
            } else {
                segment.to_ascii_lowercase()
            }
        })
}

/// A key or name as it stands in a variable.
fn as_segment(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// The variable for a key, for documentation: `["gateway", "listen"]` is `PGMOOR_GATEWAY__LISTEN`.
pub fn variable(keys: &[&str]) -> String {
    let segments: Vec<_> = keys
        .iter()
        .map(|key| {
            if key.starts_with('<') {
                key.to_ascii_uppercase()
            } else {
                as_segment(key)
            }
        })
        .collect();
    format!("{PREFIX}{}", segments.join("__"))
}

/// What the text of a variable stands for; `None` when a section was given text.
fn value(shape: &Shape, text: &str, origin: &Origin) -> Option<Node> {
    let data = match shape {
        Shape::List(_) => Data::List(
            split_list(text)
                .into_iter()
                .map(|item| Node::scalar(item, origin.clone()))
                .collect(),
        ),
        Shape::Section(_) | Shape::Map(..) if matches!(text.trim(), "" | "{}") => {
            Data::Map(Vec::new())
        }
        Shape::Section(_) | Shape::Map(..) => return None,
        Shape::Scalar(_) | Shape::Choice(_) | Shape::Optional(_) => Data::Scalar(text.to_owned()),
    };
    Some(Node {
        data,
        origin: origin.clone(),
    })
}

/// `a,b` or `[a, "b, with a comma"]`.
fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    let text = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let mut items = Vec::new();
    let mut item = String::new();
    let mut quote = None;
    let mut was_quoted = false;
    for character in text.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => item.push(character),
            None if character == ',' => items.push(finish_item(&mut item, &mut was_quoted)),
            None if matches!(character, '"' | '\'') && item.trim().is_empty() => {
                item.clear();
                quote = Some(character);
                was_quoted = true;
            }
            None => item.push(character),
        }
    }
    items.push(finish_item(&mut item, &mut was_quoted));
    items.into_iter().flatten().collect()
}

fn finish_item(item: &mut String, was_quoted: &mut bool) -> Option<String> {
    let quoted = std::mem::take(was_quoted);
    let text = std::mem::take(item);
    let text = if quoted { text } else { text.trim().to_owned() };
    (quoted || !text.is_empty()).then_some(text)
}

fn first_key(shape: &Shape) -> String {
    match shape {
        Shape::Section(section) => section
            .fields
            .first()
            .map_or_else(String::new, |field| as_segment(field.name)),
        Shape::Map(..) => "NAME".to_owned(),
        Shape::Scalar(_) | Shape::Choice(_) | Shape::List(_) | Shape::Optional(_) => String::new(),
    }
}

fn unknown(name: &str, shape: &Shape, tree: &Node, reserved: &[&str], origin: &Origin) -> Problem {
    let mut known = Vec::new();
    variables_of(shape, &mut Vec::new(), tree, &mut known);
    let flat = |name: &str| name.replace("__", "_").to_ascii_uppercase();
    let typed = flat(name);
    let tail = &typed[PREFIX.len() - 1..];
    let meant = known
        .iter()
        .find(|candidate| flat(candidate) == typed)
        .or_else(|| {
            known
                .iter()
                .find(|candidate| flat(candidate).ends_with(tail))
        })
        .map(String::as_str)
        .or_else(|| {
            nearest(
                name,
                known
                    .iter()
                    .map(String::as_str)
                    .chain(reserved.iter().copied()),
            )
        });
    let problem = Problem::new(origin, "it matches no key").cause(format!(
        "names start with {PREFIX}, then the key's parts joined by __"
    ));
    match meant {
        Some(meant) => problem.hint(format!("did you mean {meant}?")),
        None => problem.hint("see pgmoor config reference, or unset it"),
    }
}

/// Every variable that can be set, with the names that the file has.
fn variables_of(shape: &Shape, path: &mut Vec<String>, tree: &Node, found: &mut Vec<String>) {
    let empty = Node::empty(Origin::Default);
    match shape.inner() {
        Shape::Section(section) => {
            for field in &section.fields {
                path.push(as_segment(field.name));
                let below = tree.entry(field.name).map_or(&empty, |entry| &entry.value);
                variables_of(&field.shape, path, below, found);
                path.pop();
            }
        }
        Shape::Map(_, value) => {
            let entries = tree.entries().unwrap_or_default();
            for entry in entries {
                path.push(as_segment(&entry.key));
                variables_of(value, path, &entry.value, found);
                path.pop();
            }
            if entries.is_empty() {
                path.push("APP".to_owned());
                variables_of(value, path, &empty, found);
                path.pop();
            }
        }
        Shape::Scalar(_) | Shape::Choice(_) | Shape::List(_) | Shape::Optional(_) => {
            found.push(format!("{PREFIX}{}", path.join("__")));
        }
    }
}
