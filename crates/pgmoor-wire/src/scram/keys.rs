//! The arithmetic of RFC 5802 and the preparation of passwords. It knows nothing of messages.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::ScramError;
use crate::Secret;

/// A SHA-256 key that must not be seen.
pub type Key = Secret<[u8; 32]>;

/// Bytes of randomness in a nonce, as PostgreSQL has it.
const NONCE: usize = 18;

/// SASLprep, or the bytes as they are where it does not apply: PostgreSQL does the same.
pub(super) fn prepare(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

pub(super) fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    let mut salted = Zeroizing::new([0; 32]);
    let password = match prepare(password) {
        Cow::Borrowed(text) => Zeroizing::new(text.to_owned()),
        Cow::Owned(text) => Zeroizing::new(text),
    };
    let rounds = iterations.max(1);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, rounds, &mut *salted);
    Secret::new(*salted)
}

pub(super) fn client_key(salted: &Key) -> Key {
    Secret::new(hmac(salted.expose(), &[b"Client Key"]))
}

pub(super) fn server_key(salted: &Key) -> Key {
    Secret::new(hmac(salted.expose(), &[b"Server Key"]))
}

pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(super) fn hash(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub(super) fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut both = *left;
    for (byte, other) in both.iter_mut().zip(right) {
        *byte ^= other;
    }
    both
}

/// Compares without telling by its time where the difference is.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

pub(super) fn nonce() -> Result<String, ScramError> {
    Ok(super::text::encode(&random::<NONCE>()?))
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], ScramError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ScramError::Random)?;
    Ok(bytes)
}
