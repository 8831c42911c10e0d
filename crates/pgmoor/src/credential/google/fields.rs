//! Reading a credential file by name of field, with errors that repeat nothing of its content.

use std::path::Path;

use pgmoor_wire::Secret;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::credential::{FailureCause, TokenError};

/// No credential file is longer.
const MAX_FILE: u64 = 1024 * 1024;

/// The fields of a JSON object, and where they came from.
pub(super) struct Fields<'a> {
    pub(super) map: Map<String, Value>,
    pub(super) origin: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: Value, origin: &'a str) -> Result<Self, TokenError> {
        match value {
            Value::Object(map) => Ok(Self { map, origin }),
            _ => Err(unreadable(origin, "is no JSON object")),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str) -> Result<String, TokenError> {
        let text = self.optional(name);
        text.ok_or_else(|| unreadable(self.origin, format!("has no text \"{name}\"")))
    }

    pub(super) fn secret(&self, name: &str) -> Result<Secret<String>, TokenError> {
        self.text(name).map(Secret::from)
    }

    /// A text that may be missing; an empty one is.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        let text = self.map.get(name)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = self.map.get(name).and_then(Value::as_array);
        let texts = items.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.map.get(name)?.as_u64()
    }

    /// An object inside of this one.
    pub(super) fn inner(&self, name: &str) -> Result<Option<Fields<'a>>, TokenError> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Self::of(value.clone(), self.origin).map(Some),
        }
    }
}

pub(super) fn unreadable(origin: &str, why: impl Into<String>) -> TokenError {
    let why: String = why.into();
    TokenError::new(FailureCause::Configuration, "use Google credentials")
        .why(format!("{origin} {why}"))
        .hint("it must be a credential file as gcloud or the Google Cloud console writes it")
}

/// Reads a file, which may be in the middle of being rotated.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let failed = |error: std::io::Error| {
        let act = format!("read {}", path.display());
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "make it readable for the user that pgmoor runs as"
            }
            _ => "check the path, and that the volume it is on is mounted",
        };
        TokenError::new(FailureCause::Configuration, act)
            .because(error)
            .hint(hint)
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_FILE {
        let act = format!("read {}", path.display());
        let error = TokenError::new(FailureCause::Configuration, act);
        return Err(error.why("it is longer than any credential file"));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(failed)
}

/// Reads a JSON file. What is wrong with it is told by line and column, never by its text.
pub(super) fn read_json(path: &Path) -> Result<Value, TokenError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = format!(
            "is no JSON (line {}, column {})",
            error.line(),
            error.column()
        );
        unreadable(&path.display().to_string(), why)
    })
}
