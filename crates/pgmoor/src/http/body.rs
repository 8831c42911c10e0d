//! What is sent and received: never shown, and overwritten when it is dropped.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The body of a request or an answer. It may hold a secret, so `Debug` shows its length alone.
#[derive(Clone, Default)]
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// `application/x-www-form-urlencoded` from names and values.
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&encode(name));
            text.push('=');
            text.push_str(&encode(value));
        }
        Self::from(text)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Reads JSON. The error says where it went wrong and repeats nothing of the text.
    ///
    /// # Errors
    /// What is wrong, and at which line and column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, NotJson> {
        serde_json::from_slice(&self.0).map_err(|error| NotJson {
            what: match error.classify() {
                serde_json::error::Category::Data => "JSON of another form than expected",
                serde_json::error::Category::Eof => "JSON that ends early",
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
            },
            line: error.line(),
            column: error.column(),
        })
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

/// Why a body cannot be read as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is {what} (line {line}, column {column})")]
pub struct NotJson {
    what: &'static str,
    line: usize,
    column: usize,
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Everything but what RFC 3986 calls unreserved.
const UNRESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*** ({} bytes)", self.0.len())
    }
}
