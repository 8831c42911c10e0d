//! Where a secret or a file is to be found: by a variable, a path, or a key of a Kubernetes Secret.

use std::fmt;

/// Where keys of Kubernetes Secrets are mounted: `SECRETS/NAME/KEY`. In a meaning it stands for that key; the
/// writers put the real directory in its place.
pub const SECRETS: &str = "/run/secrets";

/// Where a secret or a file is to be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// The environment variable of this name.
    Variable(String),
    /// The file at this path.
    File(String),
    /// A key of a Kubernetes Secret (or ConfigMap).
    Secret {
        /// The Secret's name.
        name: String,
        /// The key in it.
        key: String,
    },
}

impl Reference {
    /// A key of a Secret.
    pub fn secret(name: &str, key: &str) -> Self {
        Self::Secret {
            name: name.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Reads a path; one below [`SECRETS`] stands for a key of a Secret.
    pub fn from_path(path: &str) -> Self {
        let parts = path
            .strip_prefix(SECRETS)
            .and_then(|rest| rest.strip_prefix('/'));
        match parts.and_then(|rest| rest.split_once('/')) {
            Some((name, key)) if !name.is_empty() && !key.is_empty() && !key.contains('/') => {
                Self::secret(name, key)
            }
            _ => Self::File(path.to_owned()),
        }
    }

    /// Reads what stands for a secret in pgmoor.yaml: `${NAME}` or `file:PATH`; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            return Some(Self::from_path(path));
        }
        let name = text.strip_prefix("${")?.strip_suffix('}')?;
        is_variable(name).then(|| Self::Variable(name.to_owned()))
    }

    /// The path, where it is one.
    pub fn path(&self) -> Option<String> {
        match self {
            Self::Variable(_) => None,
            Self::File(path) => Some(path.clone()),
            Self::Secret { name, key } => Some(format!("{SECRETS}/{name}/{key}")),
        }
    }
}

impl fmt::Display for Reference {
    /// As it stands in pgmoor.yaml.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${{{name}}}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Secret { name, key } => write!(f, "file:{SECRETS}/{name}/{key}"),
        }
    }
}

/// Whether this can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_mounts_is_a_key_of_a_secret_and_others_are_files() {
        assert_eq!(
            Reference::parse("file:/run/secrets/pg/uri"),
            Some(Reference::secret("pg", "uri"))
        );
        for path in ["/run/secrets/pg", "/run/secrets/a/b/c", "./pg.password"] {
            assert_eq!(
                Reference::parse(&format!("file:{path}")),
                Some(Reference::File(path.to_owned()))
            );
        }
        assert_eq!(
            Reference::parse("${PGPASSWORD}"),
            Some(Reference::Variable("PGPASSWORD".to_owned()))
        );
        for text in ["plain", "${A}${B}", "${A:-b}", "$A", ""] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
