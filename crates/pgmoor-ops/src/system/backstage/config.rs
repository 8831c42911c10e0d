//! The files of Backstage as one: substitution, includes, later files over earlier ones, and variables over all.
//!
//! What comes out is in the words of pgmoor.yaml: `${NAME}` stays a variable, and `{$file: PATH}` becomes
//! `file:PATH`. No file with a secret is read.

use std::path::Path;

use pgmoor::settings::{Data, Entry, Node, Origin};

use crate::system::finding::{Explain, Findings};
use crate::system::input::{Include, laid_over};
use crate::system::reference::is_variable;
use crate::yaml;

/// Includes may include.
const MAX_DEPTH: usize = 8;
/// How variables begin that go over the files.
pub(super) const OVERRIDE: &str = "APP_CONFIG_";

/// All of it as one tree.
pub(super) fn merged(
    documents: &[Node],
    variables: Option<&Node>,
    include: &Include<'_>,
    findings: &mut Findings,
) -> Node {
    let mut root: Option<Node> = None;
    for document in documents {
        let mut reader = Reader {
            include,
            findings,
            depth: 0,
        };
        let Some(read) = reader.node(document) else {
            continue;
        };
        root = Some(match &root {
            Some(base) => laid_over(base, &read),
            None => read,
        });
    }
    let mut root = root.unwrap_or_else(|| Node::empty(Origin::Default));
    let entries = variables.and_then(Node::entries).unwrap_or_default();
    for entry in entries {
        let Some(path) = entry.key.strip_prefix(OVERRIDE) else {
            continue;
        };
        if let Some(value) = json(&entry.value, &entry.key, findings) {
            let keys: Vec<String> = path.split('_').map(str::to_owned).collect();
            root.put(&keys, value);
        }
    }
    root
}

/// The value of a variable: JSON, else text.
fn json(node: &Node, name: &str, findings: &mut Findings) -> Option<Node> {
    let Data::Scalar(text) = &node.data else {
        return None;
    };
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return Some(Node::scalar(text.replace("${", "$${"), node.origin.clone()));
    };
    if value.is_null() {
        findings
            .wrong(
                &node.origin,
                format!("\"{name}\" is null, which Backstage refuses"),
            )
            .then("remove it; it was left out");
        return None;
    }
    Some(of_json(&value, &node.origin))
}

fn of_json(value: &serde_json::Value, origin: &Origin) -> Node {
    let data = match value {
        serde_json::Value::Null => Data::Null,
        serde_json::Value::Bool(flag) => Data::Scalar(flag.to_string()),
        serde_json::Value::Number(number) => Data::Scalar(number.to_string()),
        serde_json::Value::String(text) => Data::Scalar(text.replace("${", "$${")),
        serde_json::Value::Array(items) => {
            Data::List(items.iter().map(|item| of_json(item, origin)).collect())
        }
        serde_json::Value::Object(map) => Data::Map(
            map.iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    origin: origin.clone(),
                    value: of_json(value, origin),
                })
                .collect(),
        ),
    };
    Node {
        data,
        origin: origin.clone(),
    }
}

struct Reader<'a, 'f> {
    include: &'a Include<'a>,
    findings: &'f mut Findings,
    depth: usize,
}

impl Reader<'_, '_> {
    /// With everything substituted; `None` for what becomes absent.
    fn node(&mut self, node: &Node) -> Option<Node> {
        let data = match &node.data {
            Data::Null => Data::Null,
            Data::Scalar(text) => Data::Scalar(self.text(text, &node.origin)?),
            Data::List(items) => {
                Data::List(items.iter().filter_map(|item| self.node(item)).collect())
            }
            Data::Map(entries) => {
                let special = entries
                    .iter()
                    .find(|entry| matches!(entry.key.as_str(), "$file" | "$env" | "$include"));
                if let Some(special) = special {
                    return self.special(special, entries.len(), &node.origin);
                }
                let mut kept = Vec::new();
                for entry in entries {
                    if let Some(value) = self.node(&entry.value) {
                        kept.push(Entry {
                            value,
                            ..entry.clone()
                        });
                    }
                }
                Data::Map(kept)
            }
        };
        Some(Node {
            data,
            origin: node.origin.clone(),
        })
    }

    /// `${ NAME }` becomes `${NAME}`, and `$${` stays; a name that no variable can have makes it absent.
    fn text(&mut self, text: &str, origin: &Origin) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            }
            let Some(end) = rest[at..].find('}') else {
                break;
            };
            let name = rest[at + 2..at + end].trim();
            if !is_variable(name) {
                let problem = self
                    .findings
                    .wrong(origin, "what is between ${ and } is no name of a variable");
                problem.why("Backstage knows no defaults: it looks for a variable of that very name, finds none, and takes the value for absent");
                problem.then("name a variable; the value was left out");
                return None;
            }
            out.push_str(&rest[..at]);
            out.push_str(&format!("${{{name}}}"));
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        Some(out)
    }

    fn special(&mut self, entry: &Entry, count: usize, origin: &Origin) -> Option<Node> {
        let key = entry.key.as_str();
        if count > 1 {
            self.findings
                .refused(&entry.origin, format!("\"{key}\" has other keys beside it"))
                .why("Backstage refuses to start so")
                .then("leave it alone in its map");
            return None;
        }
        let Data::Scalar(text) = &entry.value.data else {
            self.findings
                .refused(&entry.origin, format!("\"{key}\" needs a text"))
                .then("name a file or a variable");
            return None;
        };
        let text = self.text(text, &entry.value.origin)?;
        if text.replace("$${", "").contains("${") {
            self.findings
                .not_carried(
                    &entry.value.origin,
                    format!("\"{key}\" with a variable in it"),
                )
                .why("which file or variable is meant is known only where Backstage runs")
                .then("write its name out");
            return None;
        }
        match key {
            "$env" => {
                let name = text.trim();
                if !is_variable(name) {
                    self.findings
                        .wrong(&entry.value.origin, "\"$env\" names no variable")
                        .then("name one; the value was left out");
                    return None;
                }
                Some(Node::scalar(format!("${{{name}}}"), origin.clone()))
            }
            "$file" => {
                let path = relative(&text, &entry.value.origin);
                Some(Node::scalar(format!("file:{path}"), origin.clone()))
            }
            _ => self.included(&text, &entry.value.origin),
        }
    }

    fn included(&mut self, text: &str, origin: &Origin) -> Option<Node> {
        let (file, part) = text.split_once('#').unwrap_or((text, ""));
        let path = relative(file, origin);
        let failed = |what: &str| format!("cannot include \"{path}\": {what}");
        if self.depth >= MAX_DEPTH {
            self.findings
                .refused(origin, failed("includes are nested too deep"))
                .then("files include each other in a circle");
            return None;
        }
        let text = match (self.include)(Path::new(&path)) {
            Ok(text) => text,
            Err(why) => {
                self.findings
                    .refused(origin, failed("it cannot be read"))
                    .why(why)
                    .then("paths begin at the directory of the file that has them");
                return None;
            }
        };
        let mut problems = Vec::new();
        let read = match yaml::parse(&text, Path::new(&path), &mut problems) {
            Ok(node) if problems.is_empty() => node,
            _ => {
                self.findings
                    .refused(origin, failed("it is no YAML"))
                    .then("look whether the file is what it should be");
                return None;
            }
        };
        let keys: Vec<&str> = part.split('.').filter(|key| !key.is_empty()).collect();
        let Some(part) = read.at(&keys) else {
            self.findings
                .refused(origin, failed("it has no such key"))
                .then("what follows the # is a path of keys, joined by dots");
            return None;
        };
        self.depth += 1;
        let node = self.node(part);
        self.depth -= 1;
        node
    }
}

/// A path of the file that has it, as seen from where pgmoor import runs.
fn relative(path: &str, origin: &Origin) -> String {
    let plain = path.trim().trim_start_matches("./");
    if Path::new(plain).is_absolute() {
        return plain.to_owned();
    }
    let directory = origin.directory().unwrap_or_default();
    let joined = directory.join(plain);
    if joined.is_absolute() {
        joined.display().to_string()
    } else {
        let joined = joined.display().to_string();
        format!("./{}", joined.trim_start_matches("./"))
    }
}
