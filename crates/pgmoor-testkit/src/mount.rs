//! Files that are replaced all at once, as Kubernetes replaces those of a mounted secret.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::host::{private_dir, write_private};

/// A directory behind a link; with the link, all files in it are others from one moment to the next.
pub struct Mount {
    dir: TempDir,
    files: Mutex<(u32, BTreeMap<String, String>)>,
}

impl Mount {
    /// Writes these files: name and content.
    pub fn new(files: &[(&str, &str)]) -> Mount {
        let mount = Mount {
            dir: private_dir("mount"),
            files: Mutex::default(),
        };
        mount.swap(files);
        mount
    }

    /// Where a file is, whichever it is now.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("current").join(file)
    }

    /// These files are others from now on; those that are not named stay what they were.
    pub fn swap(&self, changed: &[(&str, &str)]) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, contents) = &mut *files;
        *number += 1;
        let version = self.dir.path().join(number.to_string());
        fs::create_dir(&version).expect("make a directory");
        let changed = changed.iter().map(|(n, c)| (n.to_string(), c.to_string()));
        contents.extend(changed);
        for (name, content) in contents {
            write_private(&version.join(name), content);
        }
        let next = self.dir.path().join("next");
        symlink(&version, &next).expect("make a link");
        fs::rename(&next, self.dir.path().join("current")).expect("swap the link");
    }
}
