//! Values to be written as YAML, with the types that an application's schema asks for.

use std::fmt::Write as _;

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// Keys with values, in this order.
    Map(Vec<(String, Tree)>),
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(Vec::new())
    }
}

impl Tree {
    /// A map.
    pub fn map<const N: usize>(entries: [(&str, Tree); N]) -> Self {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Self::Map(entries.into_iter().collect())
    }

    /// Sets the value at a path of keys; what is on the way becomes maps.
    pub fn set(&mut self, path: &[&str], value: impl Into<Tree>) {
        let Some((key, rest)) = path.split_first() else {
            *self = value.into();
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::default();
        }
        let Self::Map(entries) = self else { return };
        let at = entries.iter().position(|(known, _)| known == key);
        let at = at.unwrap_or_else(|| {
            entries.push(((*key).to_owned(), Self::default()));
            entries.len() - 1
        });
        entries[at].1.set(rest, value);
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, key| match tree {
            Self::Map(entries) => entries
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value),
            _ => None,
        })
    }

    /// Whether it is a map or list with something in it.
    fn is_nested(&self) -> bool {
        match self {
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Flag(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// As YAML, a line for each value.
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.block(&mut out, 0);
        out
    }

    /// As YAML in one line.
    pub fn flow(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Tree::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), value.flow()))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// As YAML in lines that begin at this indentation.
    pub(super) fn block(&self, out: &mut String, indent: usize) {
        let blank = " ".repeat(indent);
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let _ = write!(out, "{blank}{}:", quoted(key));
                    value.after_key(out, indent);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    if item.is_nested() {
                        let mut inner = String::new();
                        item.block(&mut inner, indent + 2);
                        let _ = write!(out, "{blank}- {}", &inner[indent + 2..]);
                    } else {
                        let _ = writeln!(out, "{blank}- {}", item.flow());
                    }
                }
            }
            other => {
                let _ = writeln!(out, "{blank}{}", other.flow());
            }
        }
    }

    /// What follows `key:`.
    pub(super) fn after_key(&self, out: &mut String, indent: usize) {
        if self.is_nested() {
            out.push('\n');
            self.block(out, indent + 2);
        } else {
            let _ = writeln!(out, " {}", self.flow());
        }
    }
}

/// The texts of a map as lines `NAME='value'`, for a file of variables.
pub fn lines(tree: &Tree) -> String {
    let Tree::Map(entries) = tree else {
        return String::new();
    };
    let line = |(name, value): &(String, Tree)| match value {
        Tree::Text(text) if is_bare(text) => format!("{name}={text}\n"),
        Tree::Text(text) => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{text}\"\n")
        }
        other => format!("{name}={}\n", other.flow()),
    };
    entries.iter().map(line).collect()
}

fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_./-:@,".contains(letter))
}

/// Text that no reader of YAML takes for anything else.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_./-$".contains(letter));
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if (is_plain && !is_word) || text == "$file" {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let mut tree = Tree::default();
        tree.set(&["a", "b"], "5432");
        tree.set(&["a", "c"], Tree::Number(5432));
        tree.set(&["a", "d"], Tree::Flag(true));
        tree.set(
            &["e"],
            Tree::List(vec![
                Tree::map([("name", "X".into()), ("value", "on".into())]),
                "a: b # c".into(),
            ]),
        );

        assert_eq!(
            tree.print(),
            "a:\n  b: \"5432\"\n  c: 5432\n  d: true\ne:\n  - name: X\n    value: \"on\"\n  - \"a: b # c\"\n"
        );
        assert_eq!(
            tree.at(&["a"]).map(Tree::flow),
            Some("{b: \"5432\", c: 5432, d: true}".to_owned())
        );
    }
}
