//! PostgreSQL's MD5 passwords: old, weak, and still what some servers ask for.
//!
//! It does not decide whether they may be used: that is a matter of configuration.

use std::fmt::Write as _;

use ::md5::{Digest as _, Md5};

use crate::Secret;

/// The answer to an MD5 password request.
pub fn hash(user: &str, password: &str, salt: [u8; 4]) -> Secret<String> {
    let stored = stored(user, password);
    // `stored` makes the prefix itself.
    let hex = stored.expose().get(3..).unwrap_or_default();
    with_salt(hex, salt)
}

/// The answer to an MD5 password request, from what `pg_authid` stores; `None` if that is no MD5.
pub fn hash_stored(stored: &str, salt: [u8; 4]) -> Option<Secret<String>> {
    let hex = stored.strip_prefix("md5")?;
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (hex.len() == 32 && hex.bytes().all(plain)).then(|| with_salt(hex, salt))
}

/// What `pg_authid` stores for this password: `md5`, then 32 hexadecimal digits.
pub fn stored(user: &str, password: &str) -> Secret<String> {
    Secret::new(digest(&[password.as_bytes(), user.as_bytes()]))
}

fn with_salt(hex: &str, salt: [u8; 4]) -> Secret<String> {
    Secret::new(digest(&[hex.as_bytes(), &salt]))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    let mut text = String::with_capacity(35);
    text.push_str("md5");
    for byte in md5.finalize() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
