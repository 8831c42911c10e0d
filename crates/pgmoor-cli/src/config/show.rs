//! Prints the configuration in effect, with the place each value came from.

use std::fmt::Write;

use pgmoor::settings::{Node, Origin, Shown, quote};

/// Writes it as YAML; with `origin` each line ends with where its value was set.
pub(crate) fn yaml(shown: &Shown, tree: &Node, origin: bool) -> String {
    let mut out = String::new();
    write_entries(&mut out, shown, &mut Vec::new(), tree, origin);
    out
}

/// Where each value in effect was set, by its key.
pub(crate) fn origins(shown: &Shown, tree: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(shown, &mut Vec::new(), tree, &mut found);
    found
}

fn collect(shown: &Shown, path: &mut Vec<String>, tree: &Node, found: &mut Vec<(String, String)>) {
    match shown {
        Shown::Map(entries) => {
            for (key, value) in entries {
                path.push(key.clone());
                collect(value, path, tree, found);
                path.pop();
            }
        }
        Shown::Null => {}
        Shown::Text(_) | Shown::Number(_) | Shown::Bool(_) | Shown::List(_) => {
            found.push((path.join("."), origin_of(path, tree).to_string()));
        }
    }
}

fn origin_of(path: &[String], tree: &Node) -> Origin {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    tree.at(&keys)
        .map_or(Origin::Default, |node| node.origin.clone())
}

/// Values that are not set are left out: the reference page lists them.
fn is_empty(shown: &Shown) -> bool {
    match shown {
        Shown::Null => true,
        Shown::List(items) => items.is_empty(),
        Shown::Map(entries) => entries.iter().all(|(_, value)| is_empty(value)),
        Shown::Text(_) | Shown::Number(_) | Shown::Bool(_) => false,
    }
}

fn write_entries(
    out: &mut String,
    shown: &Shown,
    path: &mut Vec<String>,
    tree: &Node,
    origin: bool,
) {
    let Shown::Map(entries) = shown else { return };
    for (key, value) in entries.iter().filter(|(_, value)| !is_empty(value)) {
        let indent = "  ".repeat(path.len());
        path.push(key.clone());
        if matches!(value, Shown::Map(_)) {
            let _ = writeln!(out, "{indent}{}:", quote(key));
            write_entries(out, value, path, tree, origin);
        } else {
            let line = format!("{indent}{}: {}", quote(key), flow(value));
            if origin {
                let _ = writeln!(out, "{line:<50} # {}", origin_of(path, tree));
            } else {
                let _ = writeln!(out, "{line}");
            }
        }
        path.pop();
    }
}

fn flow(shown: &Shown) -> String {
    match shown {
        Shown::Null => "null".to_owned(),
        Shown::Text(text) => quote(text),
        Shown::Number(number) => number.to_string(),
        Shown::Bool(value) => value.to_string(),
        Shown::List(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Shown::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", quote(key), flow(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
