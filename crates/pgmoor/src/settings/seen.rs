//! Files that a configuration was made of, and whether they have changed since.
//!
//! They are looked at by name: a notification of the kernel sees neither how Kubernetes swaps the link
//! to a directory of secrets, nor what happens on another host of a shared disk.

use std::path::{Path, PathBuf};

use crate::secret_file::Fingerprint;

/// A file as it was found, which may be not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    path: PathBuf,
    found: Option<Fingerprint>,
}

impl Seen {
    /// Looks at a file. To be done before it is read, so that no change is missed.
    pub fn now(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let found = Fingerprint::of(&path).ok();
        Self { path, found }
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another file, or another content, is there by now. One that is gone is being replaced,
    /// or will be missed by whoever needs it.
    pub fn has_changed(&self) -> bool {
        let now = Fingerprint::of(&self.path).ok();
        now.is_some() && now != self.found
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_came_or_was_replaced_has_changed_and_one_that_went_has_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");

        let before = Seen::now(&path);
        assert!(!before.has_changed());
        fs::write(&path, "one").expect("write");
        assert!(before.has_changed());

        let first = Seen::now(&path);
        assert!(!first.has_changed());
        fs::write(directory.path().join("next"), "two").expect("write");
        fs::rename(directory.path().join("next"), &path).expect("swap");
        assert!(first.has_changed());

        let second = Seen::now(&path);
        fs::remove_file(&path).expect("remove");
        assert!(!second.has_changed());
    }
}
