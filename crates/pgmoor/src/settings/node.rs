//! The neutral tree a configuration is read into: text with the place it came from.
//!
//! It does not know YAML (the command line tool parses that) nor any key's meaning.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file; line and column count from one.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// Line, from one.
        line: u32,
        /// Column, from one.
        column: u32,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: Arc<str>,
    },
    /// Nobody set it.
    Default,
}

impl Origin {
    /// A place in a file.
    pub fn file(path: &Arc<Path>, line: u32, column: u32) -> Self {
        Self::File {
            path: Arc::clone(path),
            line,
            column,
        }
    }

    /// An environment variable.
    pub fn environment(variable: &str) -> Self {
        Self::Environment {
            variable: Arc::from(variable),
        }
    }

    /// The directory that relative paths in this value start from, if it was set in a file.
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::File { path, .. } => path.parent().map(Path::to_path_buf),
            Self::Environment { .. } | Self::Default => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value of the tree, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What was written.
    pub data: Data,
    /// Where.
    pub origin: Origin,
}

/// What was written.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// Text, a number, a boolean: whatever the key makes of it.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in the order written.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub origin: Origin,
    /// Its value.
    pub value: Node,
}

// A scalar may be a password: the shape is shown, the text is not.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Scalar(_) => f.write_str("scalar"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f.debug_list().entries(entries).finish(),
        }
    }
}

impl Node {
    /// A scalar.
    pub fn scalar(text: impl Into<String>, origin: Origin) -> Self {
        Self {
            data: Data::Scalar(text.into()),
            origin,
        }
    }

    /// An empty map, that is: a section in which nothing is set.
    pub fn empty(origin: Origin) -> Self {
        Self {
            data: Data::Map(Vec::new()),
            origin,
        }
    }

    /// The entries, when this is a map (an empty value counts as an empty map).
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            Data::Null => Some(&[]),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// The entry under `key`, when this is a map and has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value at a path of keys, `databases.app.pool` as `["databases", "app", "pool"]`.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, key| Some(&node.entry(key)?.value))
    }

    /// Puts a value at a path of keys, over what is there. Where a list or a single value stands in
    /// the way nothing is changed: loading reports that.
    pub fn put(&mut self, keys: &[String], node: Node) {
        let Some((key, rest)) = keys.split_first() else {
            *self = node;
            return;
        };
        if self.data == Data::Null {
            self.data = Data::Map(Vec::new());
        }
        let Data::Map(entries) = &mut self.data else {
            return;
        };
        let index = entries
            .iter()
            .position(|entry| entry.key == *key)
            .unwrap_or_else(|| {
                let value = Node {
                    data: Data::Null,
                    origin: node.origin.clone(),
                };
                entries.push(Entry {
                    key: key.clone(),
                    origin: node.origin.clone(),
                    value,
                });
                entries.len() - 1
            });
        entries[index].value.put(rest, node);
    }

    /// Whether it is text.
    pub fn is_scalar(&self) -> bool {
        matches!(self.data, Data::Scalar(_))
    }

    /// The items of a list; a single value is a list of one.
    pub fn items(&self) -> Vec<&Node> {
        match &self.data {
            Data::List(items) => items.iter().collect(),
            Data::Scalar(_) => vec![self],
            Data::Null | Data::Map(_) => Vec::new(),
        }
    }

    /// What kind of thing this is, for a message.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Scalar(_) => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a section with keys",
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::scalar(text, Origin::Default)
    }
}

impl<const N: usize> From<[&str; N]> for Node {
    fn from(items: [&str; N]) -> Self {
        Self {
            data: Data::List(items.into_iter().map(Node::from).collect()),
            origin: Origin::Default,
        }
    }
}
