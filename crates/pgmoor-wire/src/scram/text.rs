//! The comma-separated attributes of SCRAM messages. It knows nothing of keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{MAX_SCRAM_MESSAGE, ScramError};

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(super) fn decode_key(text: &str) -> Option<[u8; 32]> {
    decode(text)?.try_into().ok()
}

/// A message as text: short enough, UTF-8, and without NUL.
pub(super) fn message(bytes: &[u8]) -> Result<&str, ScramError> {
    if bytes.len() > MAX_SCRAM_MESSAGE {
        return Err(ScramError::Malformed("it is longer than 1024 bytes"));
    }
    if bytes.contains(&0) {
        return Err(ScramError::Malformed("it holds a NUL byte"));
    }
    std::str::from_utf8(bytes).map_err(|_| ScramError::Malformed("it is not UTF-8"))
}

/// Walks over `a=value,b=value`.
pub(super) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The next attribute, which must have this name.
    pub(super) fn take(
        &mut self,
        name: char,
        missing: &'static str,
    ) -> Result<&'a str, ScramError> {
        let next = self.next()?.ok_or(ScramError::Malformed(missing))?;
        match next {
            (found, value) if found == name => Ok(value),
            ('m', _) => Err(ScramError::Unsupported("a mandatory extension")),
            _ => Err(ScramError::Malformed(missing)),
        }
    }

    /// The next attribute, whatever it is.
    pub(super) fn next(&mut self) -> Result<Option<(char, &'a str)>, ScramError> {
        const FORM: ScramError =
            ScramError::Malformed("an attribute is not a letter, \"=\", value");
        let Some(rest) = self.rest else {
            return Ok(None);
        };
        let (attribute, rest) = match rest.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        let (name, value) = attribute.split_once('=').ok_or(FORM)?;
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_alphabetic() => Ok(Some((letter, value))),
            _ => Err(FORM),
        }
    }

    /// Skips extensions, which nobody has defined, but must have the form.
    pub(super) fn skip_rest(&mut self) -> Result<(), ScramError> {
        while self.next()?.is_some() {}
        Ok(())
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), ScramError> {
        match self.rest {
            None => Ok(()),
            Some(_) => Err(ScramError::Malformed(
                "something follows its last attribute",
            )),
        }
    }
}

/// A nonce is printable ASCII without a comma, and not empty.
pub(super) fn check_nonce(nonce: &str) -> Result<&str, ScramError> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b',';
    if nonce.is_empty() || !nonce.bytes().all(printable) {
        return Err(ScramError::Malformed("its nonce is empty or not printable"));
    }
    Ok(nonce)
}
