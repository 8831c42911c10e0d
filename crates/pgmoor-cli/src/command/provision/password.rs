//! A password that is made up for a role: to a file or a manifest, never to a terminal.

use std::io::Write;
use std::path::{Path, PathBuf};

use pgmoor_wire::Secret;
use pgmoor_wire::scram::Verifier;
use serde_json::json;

use super::private_file;
use crate::exit::Exit;
use crate::output::Failure;

/// As PostgreSQL hashes by default.
const ITERATIONS: u32 = 4096;
/// Letters and digits need no care in a URL, a shell or a YAML file; 32 of them are 190 bits.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Where it is written to.
pub(super) enum Destination {
    /// The password and nothing else.
    File(PathBuf),
    /// A Secret of Kubernetes.
    Manifest(PathBuf),
}

impl Destination {
    /// What two options say of which one is given at most.
    pub(super) fn of(file: Option<&Path>, manifest: Option<&Path>) -> Option<Self> {
        let file = file.map(|path| Self::File(path.to_owned()));
        file.or_else(|| manifest.map(|path| Self::Manifest(path.to_owned())))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Manifest(path) => path,
        }
    }
}

/// A password that is written down.
pub(super) struct Made {
    /// What the server gets.
    pub(super) verifier: Secret<String>,
    /// Where the password is.
    pub(super) path: PathBuf,
}

impl Made {
    /// Makes a password up and writes it down, before anybody depends on it.
    pub(super) fn new(
        destination: &Destination,
        role: &str,
        database: &str,
        place: &(String, u16),
    ) -> Result<Self, Failure> {
        let bug = |what: &str| Failure::new(Exit::Bug, what.to_owned());
        let password = random().ok_or_else(|| bug("the system has no random numbers"))?;
        let (path, text) = match destination {
            Destination::File(path) => (path, format!("{}\n", password.expose())),
            Destination::Manifest(path) => (path, manifest(&password, role, database, place)),
        };
        let mut file = private_file(path)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot write {}", path.display()))
                    .cause(pgmoor::settings::plain(&error))
            })?;
        let verifier = Verifier::from_password(password.expose(), ITERATIONS)
            .map_err(|_| bug("a password cannot be hashed"))?;
        Ok(Self {
            verifier: verifier.format(),
            path: path.clone(),
        })
    }
}

fn random() -> Option<Secret<String>> {
    let mut password = String::new();
    while password.len() < 32 {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).ok()?;
        // Where the alphabet does not divide 256, the rest is thrown away.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        password.extend(letters.take(32 - password.len()));
    }
    Some(Secret::new(password))
}

/// Its keys are those of CloudNativePG, which charts know.
fn manifest(
    password: &Secret<String>,
    role: &str,
    database: &str,
    (host, port): &(String, u16),
) -> String {
    let plain = role.to_lowercase();
    let plain = plain.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": format!("postgres-{}", plain.trim_matches('-')) },
        "type": "Opaque",
        "stringData": {
            "username": role,
            "password": password.expose(),
            "dbname": database,
            "host": host,
            "port": port.to_string(),
        },
    });
    // JSON is YAML.
    format!("{manifest:#}\n")
}
