//! AWS Signature Version 4, written from its description: the second opinion on what was signed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Percent-encodes all but the unreserved characters, with upper-case digits.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes what is percent-encoded; `None` when it is not well-formed. A plus is a plus.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// What a signature is made of.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Names and values, decoded, without the signature.
    pub(super) query: Vec<(String, String)>,
    /// The signed headers in order, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: &'a [u8],
    /// `20260131T120000Z`.
    pub(super) date: &'a str,
    /// `20260131/eu-west-1/rds-db/aws4_request`.
    pub(super) scope: &'a str,
}

impl Signed<'_> {
    /// The signature with a secret key, as hexadecimal digits.
    pub(super) fn signature(&self, secret_key: &str) -> String {
        let mut query: Vec<(String, String)> = self
            .query
            .iter()
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        query.sort();
        let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            query.join("&"),
            names.join(";"),
            hex(&Sha256::digest(self.body)),
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            self.date,
            self.scope,
            hex(&Sha256::digest(canonical.as_bytes())),
        );
        let mut key = format!("AWS4{secret_key}").into_bytes();
        for part in self.scope.split('/') {
            key = mac(&key, part.as_bytes());
        }
        hex(&mac(&key, text.as_bytes()))
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
