//! How a database's address and credential were written, before anything is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgmoor::Secret;
use pgmoor::endpoint::{Endpoint, EndpointError};
use pgmoor::settings::Problem;

/// How a database's address and credential were written.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Where: `pgmoor.yaml:3:10`, `--url`.
    pub origin: String,
    /// The address as it was read, or why it could not be. `None` where there is no text to read: a
    /// bundled server, an instance of Cloud SQL, a configuration that did not load.
    pub address: Option<Result<Endpoint, Arc<EndpointError>>>,
    /// Characters of user and password that the address should have percent-encoded.
    pub unencoded: Vec<char>,
    /// Secrets that have blanks or line breaks around them: where each stands.
    pub blanks: Vec<String>,
    /// Who supplies the password.
    pub credential: CredentialKind,
    /// Whether tokens are sent to servers that are not verified, because the operator said so.
    pub allows_unverified_tls: bool,
    /// Secrets that stand in a configuration file which everybody can read, as a sentence.
    pub exposed: Option<String>,
    /// What is wrong with a configuration that did not load.
    pub problems: Vec<Problem>,
    /// Files with secrets that are opened when a connection is.
    pub secret_files: Vec<SecretFile>,
}

/// Who supplies the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// It stands in the address, or nobody supplies one.
    Address,
    /// It is configured, in a file, or in the passfile.
    Password,
    /// A command prints it.
    Command,
    /// A token of AWS IAM.
    Aws,
    /// A token of Google.
    Google,
    /// A token of Microsoft Entra ID.
    Azure,
    /// The certificate of Cloud SQL's connector says who we are.
    CloudSql,
}

impl CredentialKind {
    /// Whether a cloud's identity logs in instead of a password.
    pub fn is_iam(self) -> bool {
        match self {
            Self::Aws | Self::Google | Self::Azure | Self::CloudSql => true,
            Self::Address | Self::Password | Self::Command => false,
        }
    }

    /// Whether it is a token, which is sent as the password.
    pub fn is_token(self) -> bool {
        match self {
            Self::Aws | Self::Google | Self::Azure => true,
            Self::Address | Self::Password | Self::Command | Self::CloudSql => false,
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the address",
            Self::Password => "a password",
            Self::Command => "a command",
            Self::Aws => "AWS IAM",
            Self::Google => "Google IAM",
            Self::Azure => "Microsoft Entra ID",
            Self::CloudSql => "Cloud SQL IAM",
        })
    }
}

/// A file that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// What it is: "private key", "passfile".
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Its permission bits and its owner, when it is there.
    pub mode: Option<(u32, u32)>,
}

impl SecretFile {
    /// Looks at a file, without opening it.
    pub fn look(what: &'static str, path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok();
        Self {
            what,
            path: path.to_owned(),
            mode: metadata.map(|metadata| (metadata.mode() & 0o7777, metadata.uid())),
        }
    }

    /// Whether others can read it. The rules are libpq's: what belongs to root may be read by its group,
    /// but for a passfile.
    pub fn is_too_open(&self) -> bool {
        self.mode.is_some_and(|(mode, owner)| {
            let forbidden = if owner == 0 && self.what != "passfile" {
                0o037
            } else {
                0o077
            };
            mode & forbidden != 0
        })
    }

    /// Whether blanks or more than one line break stand around what is in it. One at the end is dropped
    /// by whoever reads it here.
    pub fn has_blanks(&self) -> bool {
        let Ok(content) = std::fs::read(&self.path) else {
            return false;
        };
        let text = Secret::new(String::from_utf8_lossy(&content).into_owned());
        let text = text.expose().as_str();
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        text.trim() != text
    }
}

impl Configuration {
    /// A database whose address is no text: a bundled server, an instance of Cloud SQL.
    pub fn without_address(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            address: None,
            unencoded: Vec::new(),
            blanks: Vec::new(),
            credential: CredentialKind::Address,
            allows_unverified_tls: false,
            exposed: None,
            problems: Vec::new(),
            secret_files: Vec::new(),
        }
    }

    /// A database with this text for its address, which was read with this outcome.
    pub fn of_text(
        origin: impl Into<String>,
        text: &Secret<String>,
        address: Result<Endpoint, EndpointError>,
    ) -> Self {
        let text = text.expose();
        let mut this = Self::without_address(origin);
        if text.trim() != text {
            this.blanks.push("the address".to_owned());
        }
        this.unencoded = unencoded(text.trim());
        if let Ok(address) = &address {
            this.note_files(address);
            let password = address.password.as_ref().map(Secret::expose);
            if password.is_some_and(|password| password.trim() != password) {
                this.blanks.push("the password in the address".to_owned());
            }
        }
        this.address = Some(address.map_err(Arc::new));
        this
    }

    /// The address, where there is one that could be read.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.address.as_ref()?.as_ref().ok()
    }

    fn note_files(&mut self, address: &Endpoint) {
        let files = [
            ("private key", &address.tls.key),
            ("passfile", &address.passfile),
        ];
        for (what, path) in files {
            if let Some(path) = path {
                self.secret_files.push(SecretFile::look(what, path));
            }
        }
    }
}

/// Parameters whose values may have an "@".
const PARAMETERS: [&str; 4] = ["user=", "password=", "application_name=", "options="];

/// The characters of a URL's user and password that mean something else to one reader of URLs or
/// another, each once, in their order. Keyword strings have none.
fn unencoded(text: &str) -> Vec<char> {
    let Some(user_info) = user_info(text) else {
        return Vec::new();
    };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut found = Vec::new();
    for part in [user, password] {
        for (at, character) in part.char_indices() {
            let is_bad = match character {
                '@' | ':' | '/' | '?' | '#' | '[' | ']' => true,
                '%' => !is_escape(&part[at..]),
                _ => character.is_whitespace() || character == '"' || character == '\\',
            };
            if is_bad && !found.contains(&character) {
                found.push(character);
            }
        }
    }
    found
}

/// What stands before the last `@` of something like a URL.
fn user_info(text: &str) -> Option<&str> {
    let body = match text.split_once("://") {
        Some((scheme, body))
            if scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+.:-_".contains(c)) =>
        {
            body
        }
        // `host=… password=a@b` has no part before an "@".
        _ => {
            let first = text.find(['=', ':', '@', '/'])?;
            if text.as_bytes()[first] == b'=' {
                return None;
            }
            text
        }
    };
    // An "@" in the query, as of `?user=a@b`, ends nothing when the host stood before it.
    let cut = query_of(body).map_or(body, |at| &body[..at]);
    cut.rsplit_once('@').map(|(user_info, _)| user_info)
}

/// Where a query begins that has names and values only, and a host before it.
fn query_of(body: &str) -> Option<usize> {
    body.match_indices('?').map(|(at, _)| at).find(|at| {
        let query = &body[at + 1..];
        let is_query = query.split('&').all(|item| {
            item.is_empty()
                || item.split_once('=').is_some_and(|(name, _)| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                })
        });
        // With the only "@" behind it the "?" is inside a password, unless a parameter follows.
        let is_parameter = PARAMETERS.iter().any(|name| query.starts_with(name));
        is_query && (body[..*at].contains('@') || !query.contains('@') || is_parameter)
    })
}

fn is_escape(text: &str) -> bool {
    let mut digits = text.chars().skip(1);
    let mut is_digit = || digits.next().is_some_and(|c| c.is_ascii_hexdigit());
    is_digit() && is_digit()
}

#[cfg(test)]
mod tests {
    use super::unencoded;

    #[test]
    fn characters_that_urls_need_encoded_are_found_in_user_and_password_only() {
        for (text, found) in [
            ("postgres://u:pw@h/db", ""),
            ("postgres://u:p%40w@h/db", ""),
            ("postgres://u:p@w@h/db", "@"),
            ("postgres://u:p#w/x@h/db", "#/"),
            ("postgres://u:100%@h/db", "%"),
            ("postgres://u:a:b@h/db", ":"),
            ("postgres://u:a?b@h/db?sslmode=require", "?"),
            ("postgresql+psycopg2://u:p@w@h/db", "@"),
            ("sa@proj.iam@h:5432/db", "@"),
            ("u:p@h/db?application_name=a@b", ""),
            ("postgres://h/db?user=a@b", ""),
            ("host=h password=a@b:c/d", ""),
            ("postgres://h/db", ""),
            ("", ""),
        ] {
            let seen: String = unencoded(text).into_iter().collect();
            assert_eq!(seen, found, "{text}");
        }
    }
}
