//! Values of a Helm chart and the Kubernetes Secrets beside them: what is set, and where.

use base64::Engine;
use pgmoor::settings::{Data, Node, Origin, nearest};
use pgmoor_wire::Secret;

use super::finding::{Explain, Findings};
use super::input::{Files, laid_over};
use super::meaning::Told;
use super::reference::Reference;

/// All that Helm would be given, and the Secrets that are known.
#[derive(Debug)]
pub(super) struct Values {
    /// The values, later files over earlier ones.
    pub(super) root: Node,
    secrets: Vec<Manifest>,
}

#[derive(Debug)]
struct Manifest {
    name: String,
    node: Node,
}

impl Default for Values {
    /// None: not even an empty file.
    fn default() -> Self {
        Self {
            root: Node {
                data: Data::Null,
                origin: Origin::Default,
            },
            secrets: Vec::new(),
        }
    }
}

impl Values {
    pub(super) fn new(files: &Files) -> Self {
        let mut root: Option<Node> = None;
        let mut secrets = Vec::new();
        for document in &files.documents {
            if document.data == Data::Null {
                continue;
            }
            let kind = plain(document, &["kind"]);
            if plain(document, &["apiVersion"]).is_none() || kind.is_none() {
                root = Some(match &root {
                    Some(base) => laid_over(base, document),
                    None => document.clone(),
                });
            } else if let (Some("Secret"), Some(name)) =
                (kind, plain(document, &["metadata", "name"]))
            {
                secrets.push(Manifest {
                    name: name.to_owned(),
                    node: document.clone(),
                });
            }
        }
        Self {
            root: root.unwrap_or_else(|| Node::empty(Origin::Default)),
            secrets,
        }
    }

    /// Values without Secrets.
    pub(super) fn of(root: Node) -> Self {
        Self {
            root,
            secrets: Vec::new(),
        }
    }

    pub(super) fn block(&self, path: &[&str]) -> Option<Block<'_>> {
        let node = self.root.at(path)?;
        node.entries().map(|_| Block {
            node,
            path: path.join("."),
        })
    }

    /// What a key of a Secret holds, if its manifest was given.
    pub(super) fn secret(&self, name: &str, key: &str) -> Option<Told<Secret<String>>> {
        let manifest = self.secrets.iter().rfind(|known| known.name == name)?;
        if let Some(node) = manifest.node.at(&["stringData", key]) {
            let text = scalar(node)?;
            return Some(Told::new(Secret::new(text.to_owned()), &node.origin));
        }
        let node = manifest.node.at(&["data", key])?;
        let coded: String = scalar(node)?.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(coded);
        let text = String::from_utf8(bytes.ok()?).ok()?;
        Some(Told::new(Secret::new(text), &node.origin))
    }

    /// Says when a Secret was given that lacks the key that is asked for.
    pub(super) fn expect_key(&self, name: &Told<String>, key: &str, findings: &mut Findings) {
        let Some(manifest) = self.secrets.iter().rfind(|known| known.name == name.value) else {
            return;
        };
        let keys: Vec<&str> = ["stringData", "data"]
            .iter()
            .filter_map(|part| manifest.node.entry(part)?.value.entries())
            .flatten()
            .map(|entry| entry.key.as_str())
            .collect();
        if !keys.contains(&key) {
            findings
                .wrong(
                    &name.origin,
                    format!("the Secret \"{}\" has no key \"{key}\"", name.value),
                )
                .why(format!("its manifest has {}", listed(&keys)))
                .then("name the key that it has, or add this one");
        }
    }
}

fn listed(keys: &[&str]) -> String {
    match keys {
        [] => "none".to_owned(),
        keys => format!("\"{}\"", keys.join("\", \"")),
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar(text) => Some(text),
        Data::Null | Data::List(_) | Data::Map(_) => None,
    }
}

fn plain<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    node.at(path).and_then(scalar)
}

/// A map of the values.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl<'a> Block<'a> {
    /// A text that is set to something: charts take "" for nothing.
    pub(super) fn text(&self, path: &[&str]) -> Option<Told<String>> {
        let node = self.node.at(path)?;
        let text = scalar(node)?;
        (!text.is_empty()).then(|| Told::new(text.to_owned(), &node.origin))
    }

    /// A switch.
    pub(super) fn flag(&self, path: &[&str], findings: &mut Findings) -> Option<Told<bool>> {
        let told = self.text(path)?;
        match told.value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(told.with(true)),
            "false" | "no" | "off" => Some(told.with(false)),
            _ => {
                let key = format!("{}.{}", self.path, path.join("."));
                findings
                    .wrong(&told.origin, format!("\"{key}\" is neither true nor false"))
                    .then("write true or false; it was taken as not set");
                None
            }
        }
    }

    pub(super) fn is_on(&self, path: &[&str], findings: &mut Findings) -> bool {
        self.flag(path, findings).is_some_and(|flag| flag.value)
    }

    pub(super) fn block(&self, path: &[&str]) -> Option<Block<'a>> {
        let node = self.node.at(path)?;
        node.entries().map(|_| Block {
            node,
            path: format!("{}.{}", self.path, path.join(".")),
        })
    }

    /// A Secret's name under one key, and the name of its field under another.
    pub(super) fn secret_key(
        &self,
        name: &[&str],
        key: &[&str],
        default: &str,
    ) -> Option<Told<Reference>> {
        let name = self.text(name)?;
        let key = self.text(key).map(|told| told.value);
        let key = key.as_deref().unwrap_or(default);
        Some(name.with(Reference::secret(&name.value, key)))
    }

    /// Says which of its keys the chart does not know.
    pub(super) fn expect(&self, known: &[&str], findings: &mut Findings) {
        for entry in self.node.entries().unwrap_or_default() {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let what = format!("\"{}.{}\" is no key of the chart", self.path, entry.key);
            let problem = findings.wrong(&entry.origin, what);
            match nearest(&entry.key, known.iter().copied()) {
                Some(near) => problem.then(format!(
                    "did you mean \"{near}\"? the chart ignores it as it is, and so was it here"
                )),
                None => problem.then("the chart ignores it, and so was it here"),
            };
        }
    }

    /// Those of these keys that are set to something, in the file's order.
    pub(super) fn set_among(&self, keys: &[&str]) -> Vec<Told<String>> {
        let entries = self.node.entries().unwrap_or_default().iter();
        let is_set = |node: &Node| match &node.data {
            Data::Scalar(text) => !text.is_empty(),
            Data::Map(entries) => !entries.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Null => false,
        };
        entries
            .filter(|entry| keys.contains(&entry.key.as_str()) && is_set(&entry.value))
            .map(|entry| Told::new(entry.key.clone(), &entry.origin))
            .collect()
    }
}

/// Environment variables in the list form of Kubernetes, `{name, value}` and `{name, valueFrom}`.
pub(super) fn variables(list: &Node) -> Vec<(String, Variable)> {
    let Data::List(items) = &list.data else {
        return Vec::new();
    };
    let mut found: Vec<(String, Variable)> = Vec::new();
    for item in items {
        let Some(name) = plain(item, &["name"]) else {
            continue;
        };
        let from = ["secretKeyRef", "configMapKeyRef"]
            .iter()
            .find_map(|kind| item.at(&["valueFrom", kind]));
        let value = match (item.at(&["value"]), from) {
            (Some(node), _) => {
                scalar(node).map(|text| Variable::Text(Told::new(text.to_owned(), &node.origin)))
            }
            (None, Some(from)) => match (plain(from, &["name"]), plain(from, &["key"])) {
                (Some(name), Some(key)) => Some(Variable::Secret(Told::new(
                    Reference::secret(name, key),
                    &from.origin,
                ))),
                _ => None,
            },
            (None, None) => None,
        };
        if let Some(value) = value {
            found.retain(|(known, _)| known != name);
            found.push((name.to_owned(), value));
        }
    }
    found
}

/// The value of an environment variable.
#[derive(Clone, Debug)]
pub(super) enum Variable {
    Text(Told<String>),
    Secret(Told<Reference>),
}

impl Variable {
    pub(super) fn origin(&self) -> &Origin {
        match self {
            Self::Text(told) => &told.origin,
            Self::Secret(told) => &told.origin,
        }
    }

    pub(super) fn text(&self) -> Option<&Told<String>> {
        match self {
            Self::Text(told) => Some(told),
            Self::Secret(_) => None,
        }
    }
}
