//! What a server stores instead of a password: `SCRAM-SHA-256$4096:salt$stored key:server key`.

use std::fmt;

use super::keys::{self, Key};
use super::{DEFAULT_ITERATIONS, ScramError, text};
use crate::Secret;

/// Bytes of salt, as PostgreSQL has it.
const SALT: usize = 16;

/// Proves that a client knows a password, without being one.
///
/// It is a secret nevertheless: who has it can play the server, and guess the password at leisure.
#[derive(Clone)]
pub struct Verifier {
    /// How often the password was hashed.
    pub iterations: u32,
    /// The salt, not encoded.
    pub salt: Vec<u8>,
    /// Hash of the client's key.
    pub stored_key: Key,
    /// Signs what the server says.
    pub server_key: Key,
    // Nobody logs in with a mock, whatever proof is sent.
    pub(super) mock: bool,
}

impl Verifier {
    /// Makes a verifier of its parts.
    pub fn new(iterations: u32, salt: Vec<u8>, stored_key: [u8; 32], server_key: [u8; 32]) -> Self {
        Self {
            iterations,
            salt,
            stored_key: Secret::new(stored_key),
            server_key: Secret::new(server_key),
            mock: false,
        }
    }

    /// Makes a verifier of a password with a random salt.
    ///
    /// # Errors
    ///
    /// [`ScramError::Random`] if the operating system gives no random bytes.
    pub fn from_password(password: &str, iterations: u32) -> Result<Self, ScramError> {
        Ok(Self::derive(password, &keys::random::<SALT>()?, iterations))
    }

    /// Makes the verifier that this password, salt and count give.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let iterations = iterations.max(1);
        let salted = keys::salted_password(password, salt, iterations);
        let stored_key = keys::hash(keys::client_key(&salted).expose());
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: Secret::new(stored_key),
            server_key: keys::server_key(&salted),
            mock: false,
        }
    }

    /// Makes a verifier for a user who does not exist: the same for the same user and key, so that
    /// asking twice tells nothing, and no password fits it.
    ///
    /// It has the usual iterations; set those of your other users if they have others.
    pub fn mock(user: &str, key: &[u8]) -> Self {
        let part = |name: &[u8]| keys::hmac(key, &[name, b"\0", user.as_bytes()]);
        Self {
            iterations: DEFAULT_ITERATIONS,
            salt: part(b"salt").iter().take(SALT).copied().collect(),
            stored_key: Secret::new(part(b"stored key")),
            server_key: Secret::new(part(b"server key")),
            mock: true,
        }
    }

    /// Reads the form in which `pg_authid` stores it.
    ///
    /// # Errors
    ///
    /// [`ScramError::Verifier`] says which part is wrong, and shows none.
    pub fn parse(stored: &str) -> Result<Self, ScramError> {
        const FORM: ScramError =
            ScramError::Verifier("it is not SCRAM-SHA-256$iterations:salt$stored key:server key");
        let rest = stored.strip_prefix("SCRAM-SHA-256$").ok_or(FORM)?;
        let (work, keys) = rest.split_once('$').ok_or(FORM)?;
        let (iterations, salt) = work.split_once(':').ok_or(FORM)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(FORM)?;

        let digits = iterations.bytes().all(|byte| byte.is_ascii_digit());
        let iterations = iterations.parse().ok().filter(|&count| digits && count > 0);
        let iterations = iterations.ok_or(ScramError::Verifier("its iterations are no number"))?;
        let salt = text::decode(salt).filter(|salt| !salt.is_empty());
        let salt = salt.ok_or(ScramError::Verifier("its salt is not base64"))?;
        let key = |encoded| {
            const KEY: ScramError = ScramError::Verifier("a key is not 32 bytes in base64");
            text::decode_key(encoded).ok_or(KEY)
        };
        Ok(Self::new(
            iterations,
            salt,
            key(stored_key)?,
            key(server_key)?,
        ))
    }

    /// Writes the form in which `pg_authid` stores it.
    pub fn format(&self) -> Secret<String> {
        Secret::new(format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            text::encode(&self.salt),
            text::encode(self.stored_key.expose()),
            text::encode(self.server_key.expose()),
        ))
    }

    /// Whether this is the verifier of that password: for logins that send it as it is.
    pub fn matches(&self, password: &str) -> bool {
        let derived = Self::derive(password, &self.salt, self.iterations);
        keys::same(derived.stored_key.expose(), self.stored_key.expose()) && !self.mock
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(***)")
    }
}

impl std::str::FromStr for Verifier {
    type Err = ScramError;

    fn from_str(stored: &str) -> Result<Self, ScramError> {
        Self::parse(stored)
    }
}
