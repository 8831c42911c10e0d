//! Secrets in the configuration: literal, `${VAR}` or `file:path`, and files that hold secrets.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pgmoor_wire::Secret;

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::shape::{JsonType, Kind, Shape};
use super::show::Shown;
use super::value::Value;

/// A secret is small; a larger file is a wrong path.
const MAX_SECRET_FILE: u64 = 64 * 1024;

const SECRET: Kind = Kind {
    name: "secret",
    allowed: "text, ${VAR}, or file:path (its last line break is dropped)",
    json: JsonType::String,
};

const SECRET_FILE: Kind = Kind {
    name: "secret file",
    allowed: "a path to a file that others cannot read",
    json: JsonType::String,
};

const CONNECTION: Kind = Kind {
    name: "connection string",
    allowed: "a connection string or URI, ${VAR} in it, or file:path to one",
    json: JsonType::String,
};

impl Value for Secret<String> {
    fn shape() -> Shape {
        Shape::Scalar(SECRET)
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        load_text(node, place, loader).map(Secret::new)
    }

    fn show(&self) -> Shown {
        Shown::Text("***".to_owned())
    }

    fn none_is_absent() -> bool {
        false
    }
}

/// Reads text that may be secret: never repeats it in a problem.
fn load_text(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<String> {
    let text = loader.text(node, place)?;
    let text = match text.strip_prefix("file:") {
        Some(path) => {
            let path = loader.path(path.strip_prefix("//").unwrap_or(path), &node.origin);
            match read_secret_file(&path) {
                Ok(text) => text,
                Err(refusal) => {
                    loader.report(refusal.into_problem(node, place));
                    return None;
                }
            }
        }
        None => text,
    };
    let flaw = if text.is_empty() {
        "it is empty"
    } else if text.contains('\0') {
        "it contains a zero byte"
    } else {
        return Some(text);
    };
    loader.report(
        Problem::new(
            &node.origin,
            format!("invalid secret for \"{}\"", place.key),
        )
        .cause(flaw),
    );
    None
}

/// A path to a file that holds a secret: it exists, is readable, and others cannot read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// Takes a path that is known to be fit, or that will be created so.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for SecretFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Value for SecretFile {
    fn shape() -> Shape {
        Shape::Scalar(SECRET_FILE)
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        let path = PathBuf::load(node, place, loader)?;
        match check_secret_file(&path) {
            Ok(()) => Some(Self(path)),
            Err(refusal) => {
                loader.report(refusal.into_problem(node, place));
                None
            }
        }
    }

    fn show(&self) -> Shown {
        Shown::Text(self.0.display().to_string())
    }
}

/// A connection string or URI; it may hold a password, so it is shown masked.
#[derive(Clone, Debug)]
pub struct ConnectionText(Secret<String>);

impl ConnectionText {
    /// Takes a connection string.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text.into()))
    }

    /// The whole text, with the password if it has one.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The text with its passwords replaced by `***`.
    pub fn masked(&self) -> String {
        mask(self.expose())
    }
}

impl Value for ConnectionText {
    fn shape() -> Shape {
        Shape::Scalar(CONNECTION)
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        load_text(node, place, loader).map(|text| Self::new(text.trim()))
    }

    fn show(&self) -> Shown {
        Shown::Text(self.masked())
    }
}

/// Masks the password in `scheme://user:password@…`, `user:password@…`, and in `password=…` and
/// `sslpassword=…` of a query or keyword string.
pub fn mask(text: &str) -> String {
    if is_keyword_string(text) {
        return mask_parameters(text);
    }
    let body_start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, body) = text.split_at(body_start);
    // A password may itself hold '@', '/' or '?': the last '@' ends it, so that never too little is hidden.
    let masked = match (body.rfind('@'), body.find(':')) {
        (Some(at), Some(colon)) if colon < at => format!("{}:***{}", &body[..colon], &body[at..]),
        _ => body.to_owned(),
    };
    mask_parameters(&format!("{scheme}{masked}"))
}

/// Whether it starts with `keyword=`, as libpq's other form of a connection string does.
fn is_keyword_string(text: &str) -> bool {
    text.split_once('=').is_some_and(|(keyword, _)| {
        let keyword = keyword.trim();
        !keyword.is_empty()
            && keyword
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn mask_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_password_key(rest) {
        out.push_str(&rest[..at]);
        let value = rest[at..].trim_start();
        out.push_str("***");
        rest = if let Some(quoted) = value.strip_prefix('\'') {
            &quoted[end_of_quoted(quoted)..]
        } else {
            let end = value
                .find(|c: char| c == '&' || c.is_whitespace())
                .unwrap_or(value.len());
            &value[end..]
        };
    }
    out.push_str(rest);
    out
}

/// The position after `password=`, with spaces around `=` allowed as in keyword strings.
fn find_password_key(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find("password") {
        let after_key = from + found + "password".len();
        let after_spaces =
            after_key + (lower[after_key..].len() - lower[after_key..].trim_start().len());
        if lower[after_spaces..].starts_with('=') && !lower[after_spaces..].starts_with("=***") {
            return Some(after_spaces + 1);
        }
        from = after_key;
    }
    None
}

fn end_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '\'' if !escaped => return index + 1,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Why a secret file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It could not be opened or read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("{path} is open to every user of this machine (mode {mode:04o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no file, or too large to be a secret.
    #[error("{path} {flaw}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        flaw: &'static str,
    },
}

impl SecretFileError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, source } => match source.kind() {
                io::ErrorKind::NotFound => format!("create {} or correct the path", path.display()),
                _ => format!(
                    "make {} readable for the user that runs pgmoor, and for no other",
                    path.display()
                ),
            },
            Self::Exposed { path, .. } => format!(
                "run chmod 600 {}; for a Kubernetes secret set defaultMode: 0440 and fsGroup",
                path.display()
            ),
            Self::Unfit { .. } => "name the file that holds only the secret".to_owned(),
        }
    }

    fn into_problem(self, node: &Node, place: &Place<'_>) -> Problem {
        let cause = match &self {
            Self::Read { path, source } => format!("{}: {}", path.display(), plain(source)),
            Self::Exposed { .. } | Self::Unfit { .. } => self.to_string(),
        };
        Problem::new(
            &node.origin,
            format!("cannot use the secret file of \"{}\"", place.key),
        )
        .cause(cause)
        .hint(self.hint())
    }
}

/// An I/O error's text without "(os error 2)", in lower case as all our messages.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

/// Reads a secret from a file and drops one line break at its end.
///
/// # Errors
/// The file cannot be read, is open to others, or is no secret.
pub fn read_secret_file(path: &Path) -> Result<String, SecretFileError> {
    check_secret_file(path)?;
    let text = fs::read_to_string(path).map_err(|source| SecretFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| {
        text.strip_suffix('\r').unwrap_or(text)
    });
    Ok(text.to_owned())
}

/// Checks that a secret file can be read by us and not by everyone.
///
/// The group may read it: that is how Kubernetes hands secrets to a process without root.
///
/// # Errors
/// The file cannot be read, is open to others, or is no secret.
pub fn check_secret_file(path: &Path) -> Result<(), SecretFileError> {
    let read_error = |source| SecretFileError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(read_error)?;
    if !metadata.is_file() {
        return Err(SecretFileError::Unfit {
            path: path.to_owned(),
            flaw: "is not a file",
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    // Others must have no right at all, and the group none to write.
    if mode & 0o027 != 0 {
        return Err(SecretFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    if metadata.size() > MAX_SECRET_FILE {
        return Err(SecretFileError::Unfit {
            path: path.to_owned(),
            flaw: "is too large to be a secret",
        });
    }
    fs::File::open(path).map(drop).map_err(read_error)
}
