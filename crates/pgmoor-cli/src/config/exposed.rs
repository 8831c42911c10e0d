//! Finds secrets that stand in a configuration file which everybody can read.
//!
//! That is told, not refused: on a developer's machine it is nothing, in production it is a leak.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pgmoor::Secret;
use pgmoor::settings::{ConnectionText, Data, Node, Origin, Shape, Value, mask};

use super::load::{Loaded, Source};
use super::settings::Settings;

/// What to tell about secrets in the file, if there is something to tell.
pub(crate) fn note(loaded: &Loaded) -> Option<String> {
    let Source::File(path) = &loaded.source else {
        return None;
    };
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    if mode & 0o004 == 0 {
        return None;
    }
    let keys = literal_secrets(&loaded.tree);
    let first = keys.first()?;
    let more = match keys.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "{} can be read by everybody (mode {mode:04o}) and holds a secret in \"{first}\"{more}; \
         write ${{VAR}} or file:PATH there, or run: chmod 600 {}",
        path.display(),
        path.display()
    ))
}

/// The keys whose secrets stand in the file itself.
fn literal_secrets(tree: &Node) -> Vec<String> {
    let mut found = Vec::new();
    search(tree, &Settings::shape(), "", &mut found);
    found
}

fn search(node: &Node, shape: &Shape, key: &str, found: &mut Vec<String>) {
    let below = |name: &str| pgmoor::settings::join(key, name);
    match (shape.inner(), &node.data) {
        (Shape::Section(section), Data::Map(entries)) => {
            for entry in entries {
                if let Some(field) = section.field(&entry.key) {
                    search(&entry.value, &field.shape, &below(&entry.key), found);
                }
            }
        }
        (Shape::Map(_, value), Data::Map(entries)) => {
            entries
                .iter()
                .for_each(|entry| search(&entry.value, value, &below(&entry.key), found));
        }
        (Shape::Scalar(kind), Data::Scalar(text)) if matches!(node.origin, Origin::File { .. }) => {
            let is_elsewhere = text.contains("${") || text.starts_with("file:");
            let is_secret = if *kind == kind_of::<ConnectionText>() {
                mask(text) != *text
            } else {
                *kind == kind_of::<Secret<String>>()
            };
            if is_secret && !is_elsewhere && !found.iter().any(|known| known == key) {
                found.push(key.to_owned());
            }
        }
        _ => {}
    }
}

fn kind_of<T: Value>() -> pgmoor::settings::Kind {
    match T::shape() {
        Shape::Scalar(kind) => kind,
        Shape::Choice(_)
        | Shape::List(_)
        | Shape::Map(..)
        | Shape::Section(_)
        | Shape::Optional(_) => {
            unreachable!("secrets are scalars")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use pgmoor_ops::yaml;

    #[test]
    fn only_secrets_that_stand_in_the_file_are_found() {
        let text = "databases: { a: { url: \"postgres://u:geheim@h/d\" }, b: { url: \"postgres://u@h/d\" } }\n\
                    endpoints: { c: { url: x, credential: { password: \"${PW}\" } }, d: { credential: { password: geheim } } }\n\
                    gateway: { auth: { users: { app: { password: \"file:./pw\" } } } }\n";
        let tree = yaml::parse(text, Path::new("p.yaml"), &mut Vec::new()).expect("is YAML");

        assert_eq!(
            literal_secrets(&tree),
            ["databases.a.url", "endpoints.d.credential.password"]
        );
    }
}
