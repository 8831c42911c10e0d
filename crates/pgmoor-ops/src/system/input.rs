//! The files that are given, each read by its kind: YAML, `NAME=value` lines, or a single address.

use std::path::Path;
use std::sync::Arc;

use pgmoor::settings::{Data, Entry, Node, Origin, Problem};
use pgmoor_wire::Secret;

use super::finding::{Explain, Findings, Severity};
use super::meaning::Told;
use super::reference::is_variable;
use crate::yaml;

/// A file that was given, and what is in it.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is called in findings.
    pub path: Arc<Path>,
    /// Its text, which may have secrets in it.
    pub text: Secret<String>,
}

/// Reads a file that another one names, by its path; the reason when it cannot.
pub type Include<'a> = dyn Fn(&Path) -> Result<String, String> + 'a;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Yaml,
    Lines,
    Address,
}

/// All files by what they are.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The documents of YAML files, in their order.
    pub(super) documents: Vec<Node>,
    /// The variables of files with lines `NAME=value`, later ones over earlier ones.
    pub(super) variables: Option<Node>,
    /// Files that are an address and nothing else.
    pub(super) addresses: Vec<Told<Secret<String>>>,
}

impl Files {
    pub(super) fn read(inputs: &[Input], form: Option<Form>, findings: &mut Findings) -> Self {
        let mut files = Self::default();
        for input in inputs {
            let text = input.text.expose();
            match form.unwrap_or_else(|| guess(&input.path, text)) {
                Form::Yaml => {
                    let mut problems = Vec::new();
                    match yaml::parse_all(text, &input.path, &mut problems) {
                        Ok(documents) => files.documents.extend(documents.iter().map(expanded)),
                        Err(problem) => problems.push(problem),
                    }
                    for problem in problems {
                        findings.push(Severity::Refused, unquoted(problem));
                    }
                }
                Form::Lines => {
                    let read = lines(text, &input.path, findings);
                    let known = files
                        .variables
                        .get_or_insert_with(|| Node::empty(read.origin.clone()));
                    *known = laid_over(known, &read);
                }
                Form::Address => {
                    let line = text.lines().position(|line| !line.trim().is_empty());
                    let line = u32::try_from(line.unwrap_or_default()).unwrap_or(u32::MAX - 1);
                    let origin = Origin::file(&input.path, line + 1, 1);
                    let text = Secret::new(text.trim().to_owned());
                    files.addresses.push(Told::new(text, &origin));
                }
            }
        }
        files
    }
}

/// The parser of YAML may quote what it stumbled over, which may be a password.
fn unquoted(mut problem: Problem) -> Problem {
    problem.cause = problem.cause.map(|cause| {
        cause
            .split(['\'', '"', '`'])
            .step_by(2)
            .collect::<Vec<_>>()
            .join("…")
    });
    problem
}

fn guess(path: &Path, text: &str) -> Form {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    if name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json") {
        return Form::Yaml;
    }
    let mut written = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    let is_one = text.trim().lines().count() == 1;
    if written.peek().is_none() {
        return Form::Yaml;
    }
    if written.all(|line| assignment(line).is_some()) || name.ends_with(".env") {
        return Form::Lines;
    }
    let line = text.trim();
    let is_address = line.contains("://") && !line.contains(": ")
        || line.contains('@') && line.contains('/') && !line.contains(": ")
        || line.starts_with("host=")
        || line.contains(" host=");
    if is_one && is_address {
        Form::Address
    } else {
        Form::Yaml
    }
}

/// Name and value of `NAME=value`; names of variables are in capitals.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_shouted = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_');
    (is_shouted && is_variable(name)).then_some((name, value))
}

/// A file of variables as a map.
fn lines(text: &str, path: &Arc<Path>, findings: &mut Findings) -> Node {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let written = line.trim();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        let origin = Origin::file(path, number, 1);
        let Some((name, value)) = assignment(written) else {
            findings
                .wrong(&origin, "the line is no NAME=value")
                .then("it was left out");
            continue;
        };
        let column = line
            .find('=')
            .map_or(1, |at| line[..=at].chars().count() + 1);
        let column = u32::try_from(column).unwrap_or(u32::MAX);
        entries.retain(|entry| entry.key != name);
        entries.push(Entry {
            key: name.to_owned(),
            origin,
            value: Node::scalar(unquote(value), Origin::file(path, number, column)),
        });
    }
    Node {
        data: Data::Map(entries),
        origin: Origin::file(path, 1, 1),
    }
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
    {
        return inner.0.to_owned();
    }
    if let Some(rest) = value.strip_prefix('"') {
        let mut text = String::new();
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => match letters.next() {
                    Some('n') => text.push('\n'),
                    Some(other) => text.push(other),
                    None => {}
                },
                other => text.push(other),
            }
        }
        return text;
    }
    // A remark begins with a blank and "#".
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

/// With `<<: *anchor` taken for what it means.
fn expanded(node: &Node) -> Node {
    let data = match &node.data {
        Data::Map(entries) => {
            let mut merged: Vec<Entry> = Vec::new();
            let own = entries.iter().filter(|entry| entry.key != "<<");
            for entry in own {
                let value = expanded(&entry.value);
                merged.push(Entry {
                    value,
                    ..entry.clone()
                });
            }
            let bases = entries.iter().filter(|entry| entry.key == "<<");
            for base in bases.flat_map(|entry| match &entry.value.data {
                Data::List(items) => items.clone(),
                _ => vec![entry.value.clone()],
            }) {
                let base = expanded(&base);
                for entry in base.entries().unwrap_or_default() {
                    if merged.iter().all(|known| known.key != entry.key) {
                        merged.push(entry.clone());
                    }
                }
            }
            Data::Map(merged)
        }
        Data::List(items) => Data::List(items.iter().map(expanded).collect()),
        other => other.clone(),
    };
    Node {
        data,
        origin: node.origin.clone(),
    }
}

/// `over` over `base`: maps key by key, all else as a whole.
pub(super) fn laid_over(base: &Node, over: &Node) -> Node {
    let (Data::Map(below), Data::Map(above)) = (&base.data, &over.data) else {
        return over.clone();
    };
    let kept = below.iter().map(|entry| match over.entry(&entry.key) {
        Some(own) => Entry {
            value: laid_over(&entry.value, &own.value),
            ..own.clone()
        },
        None => entry.clone(),
    });
    let added = above
        .iter()
        .filter(|entry| base.entry(&entry.key).is_none());
    Node {
        data: Data::Map(kept.chain(added.cloned()).collect()),
        origin: base.origin.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, text: &str) -> (Files, Findings) {
        let mut findings = Findings::default();
        let input = Input {
            path: Arc::from(Path::new(name)),
            text: Secret::new(text.to_owned()),
        };
        let files = Files::read(&[input], None, &mut findings);
        (files, findings)
    }

    #[test]
    fn a_file_is_known_by_its_name_or_by_what_is_in_it() {
        for (name, text, form) in [
            ("values.yaml", "", Form::Yaml),
            ("-", "a: 1\n", Form::Yaml),
            ("-", "A=1\n# b\nexport B='x y'\n", Form::Lines),
            ("prod.env", "not=assigned\nA=1\n", Form::Lines),
            ("-", "postgres://a:b@h/d\n", Form::Address),
            ("-", "a:b@h:5432/d?x=y", Form::Address),
            ("-", "host=h dbname=d", Form::Address),
            ("-", "url: postgres://a:b@h/d\n", Form::Yaml),
        ] {
            assert_eq!(guess(Path::new(name), text), form, "{name} {text}");
        }
    }

    #[test]
    fn variables_are_read_as_compose_reads_them_and_the_last_one_counts() {
        let text = "A=one # remark\nB='two # is no remark'\nC=\"th\\\"ree\"\nexport D=four\nA=five\nwhat?\n";

        let (files, findings) = files("x.env", text);

        let variables = files.variables.expect("lines");
        let get = |name: &str| match &variables.entry(name).expect("is there").value.data {
            Data::Scalar(text) => text.clone(),
            _ => panic!("a scalar"),
        };
        assert_eq!(get("A"), "five");
        assert_eq!(get("B"), "two # is no remark");
        assert_eq!(get("C"), "th\"ree");
        assert_eq!(get("D"), "four");
        assert_eq!(findings.0[0].problem.origin.to_string(), "x.env:6:1");
    }

    #[test]
    fn merge_keys_of_yaml_give_way_to_what_a_map_says_itself() {
        let (files, _) = files("x.yaml", "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n");

        let at = |path: &[&str]| files.documents[0].at(path).map(|node| node.data.clone());
        assert_eq!(at(&["b", "x"]), Some(Data::Scalar("1".to_owned())));
        assert_eq!(at(&["b", "y"]), Some(Data::Scalar("3".to_owned())));
    }
}
