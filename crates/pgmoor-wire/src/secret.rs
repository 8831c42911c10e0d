//! A value that must not be seen: `Debug` and `Display` print `***`, memory is wiped on drop.
//!
//! It does not compare: secrets are compared in constant time, where they are used.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Holds a password, key or token, and shows it only to whoever calls [`Secret::expose`].
///
/// ```
/// let password = pgmoor_wire::Secret::from("hunter2");
/// assert_eq!(format!("{password:?} {password}"), "*** ***");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Shows the value; what comes out must not be stored, logged or formatted.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

impl From<Vec<u8>> for Secret<Vec<u8>> {
    fn from(value: Vec<u8>) -> Self {
        Self::new(value)
    }
}

impl From<[u8; 32]> for Secret<[u8; 32]> {
    fn from(value: [u8; 32]) -> Self {
        Self::new(value)
    }
}
