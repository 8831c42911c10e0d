//! Secrets in the configuration: literal, `${VAR}` or `file:path`, and files that hold secrets.

use std::io;
use std::path::{Path, PathBuf};

use pgmoor_wire::Secret;

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::shape::{JsonType, Kind, Shape};
use super::show::Shown;
use super::value::Value;
use crate::secret_file::{self, SecretFileError};

/// A users file may have thousands of lines; a larger file is a wrong path.
const MAX_SECRET_FILE: u64 = 1024 * 1024;

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
        load_text(node, place, loader).map(|(text, _)| Secret::new(text))
    }

    fn show(&self) -> Shown {
        Shown::Text("***".to_owned())
    }

    fn none_is_absent() -> bool {
        false
    }
}

/// A secret that remembers the file it stands in, so that it can be read again when it is wanted.
#[derive(Clone, Debug)]
pub struct FiledSecret {
    secret: Secret<String>,
    file: Option<PathBuf>,
}

impl FiledSecret {
    /// What was read when the configuration was.
    pub fn secret(&self) -> &Secret<String> {
        &self.secret
    }

    /// The file it was read from, for one that was given as `file:path`.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl Value for FiledSecret {
    fn shape() -> Shape {
        Shape::Scalar(SECRET)
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        let (text, file) = load_text(node, place, loader)?;
        let secret = Secret::new(text);
        Some(Self { secret, file })
    }

    fn show(&self) -> Shown {
        self.secret.show()
    }

    fn none_is_absent() -> bool {
        false
    }
}

/// Reads text that may be secret, and says which file it was in: never repeats it in a problem.
fn load_text(
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) -> Option<(String, Option<PathBuf>)> {
    let text = loader.text(node, place)?;
    let (text, file) = match text.strip_prefix("file:") {
        Some(path) => {
            let path = loader.path(path.strip_prefix("//").unwrap_or(path), &node.origin);
            (read_text(&path, node, place, loader)?, Some(path))
        }
        None => (text, None),
    };
    let flaw = if text.is_empty() {
        "it is empty"
    } else if text.starts_with('\u{feff}') {
        "it starts with a byte order mark"
    } else if text.contains('\0') {
        "it contains a zero byte"
    } else {
        return Some((text, file));
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
        loader.note_file(&path);
        match secret_file::read(&path, MAX_SECRET_FILE) {
            Ok(_) => Some(Self(path)),
            Err(error) => {
                loader.report(refusal(&error, node, place));
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
pub struct ConnectionText {
    text: Secret<String>,
    file: Option<PathBuf>,
    was_trimmed: bool,
}

impl ConnectionText {
    /// Takes a connection string.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: Secret::new(text.into()),
            file: None,
            was_trimmed: false,
        }
    }

    /// The file it was read from, for one that was given as `file:path`.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether blanks or line breaks stood around it, which were dropped.
    pub fn was_trimmed(&self) -> bool {
        self.was_trimmed
    }

    /// The whole text, with the password if it has one.
    pub fn expose(&self) -> &str {
        self.text.expose()
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
        let (text, file) = load_text(node, place, loader)?;
        Some(Self {
            file,
            was_trimmed: text.trim() != text,
            ..Self::new(text.trim())
        })
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

/// Reads a secret from a file and drops one line break at its end.
fn read_text(
    path: &Path,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) -> Option<String> {
    loader.note_file(path);
    let bytes = match secret_file::read(path, MAX_SECRET_FILE) {
        Ok((bytes, _)) => bytes,
        Err(error) => {
            loader.report(refusal(&error, node, place));
            return None;
        }
    };
    let Ok(text) = std::str::from_utf8(bytes.expose()) else {
        loader.report(
            Problem::new(
                &node.origin,
                format!("cannot use the secret file of \"{}\"", place.key),
            )
            .cause(format!("{} is not UTF-8 text", path.display())),
        );
        return None;
    };
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Some(text.to_owned())
}

fn refusal(error: &SecretFileError, node: &Node, place: &Place<'_>) -> Problem {
    let problem = Problem::new(
        &node.origin,
        format!("cannot use the secret file of \"{}\"", place.key),
    );
    match error {
        SecretFileError::Read { path, source } => {
            let problem = problem.cause(format!("{}: {}", path.display(), plain(source)));
            match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem.hint(format!("create {} or correct the path", path.display())),
            }
        }
        SecretFileError::NotRegular { .. }
        | SecretFileError::TooOpen { .. }
        | SecretFileError::TooLong { .. } => {
            let problem = problem.cause(error.to_string());
            match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem.hint("name the file that holds only the secret"),
            }
        }
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
