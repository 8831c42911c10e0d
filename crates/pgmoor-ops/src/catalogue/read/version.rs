//! What a query says depends on the major version of the server.

/// A major version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version(pub(super) u32);

impl Version {
    /// `then` for `first` and newer, else `before`.
    pub(super) fn since<'a>(self, first: u32, then: &'a str, before: &'a str) -> &'a str {
        if self.0 >= first { then } else { before }
    }
}
