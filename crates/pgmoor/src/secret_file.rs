//! Reading files that hold secrets: passwords and private keys.
//!
//! Nobody but we (and root, with its group) may be able to read them; the rule is libpq's for keys.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pgmoor_wire::Secret;
use rustix::fs::OFlags;

/// Why the file of a secret was not read.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("{} is not a regular file", .path.display())]
    NotRegular {
        /// Which.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("{} can be read by others (mode {mode:04o})", .path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it belongs to root.
        roots: bool,
    },
    /// It is longer than any secret.
    #[error("{} is longer than {limit} bytes", .path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
}

impl SecretFileError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooOpen {
                path, roots: true, ..
            } => Some(format!(
                "run: chmod 0640 {} (a mounted Kubernetes Secret: set defaultMode: 0440)",
                path.display()
            )),
            Self::TooOpen {
                path, roots: false, ..
            } => Some(format!("run: chmod 0600 {}", path.display())),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("make it readable for the user that pgmoor runs as".to_owned())
            }
            Self::Read { .. } | Self::NotRegular { .. } | Self::TooLong { .. } => None,
        }
    }
}

/// What tells one content of a file from the next without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Follows symbolic links, by which Kubernetes swaps mounted secrets.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads a secret file of at most `limit` bytes, and what identifies this content.
pub(crate) fn read(
    path: &Path,
    limit: u64,
) -> Result<(Secret<Vec<u8>>, Fingerprint), SecretFileError> {
    read_if(path, limit, |metadata| {
        !is_too_open(metadata.uid(), metadata.mode())
    })
}

/// Reads a secret file of which somebody else decides who may: a kubelet, a cloud's agent.
pub(crate) fn read_foreign(path: &Path, limit: u64) -> Result<Secret<Vec<u8>>, SecretFileError> {
    read_if(path, limit, |_| true).map(|(content, _)| content)
}

fn read_if(
    path: &Path,
    limit: u64,
    is_closed_enough: impl FnOnce(&Metadata) -> bool,
) -> Result<(Secret<Vec<u8>>, Fingerprint), SecretFileError> {
    let failed = |source| SecretFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = open(path).map_err(failed)?;
    // Of the opened file, so that it cannot be swapped between the look and the reading.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SecretFileError::NotRegular {
            path: path.to_owned(),
        });
    }
    if !is_closed_enough(&metadata) {
        return Err(SecretFileError::TooOpen {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
            roots: metadata.uid() == 0,
        });
    }
    let too_long = || SecretFileError::TooLong {
        path: path.to_owned(),
        limit,
    };
    if metadata.len() > limit {
        return Err(too_long());
    }
    // All room at once: a growing buffer would leave copies of the secret behind.
    let mut bytes = Vec::with_capacity(usize::try_from(limit + 1).unwrap_or(usize::MAX));
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(too_long());
    }
    Ok((Secret::new(bytes), Fingerprint::from(&metadata)))
}

/// libpq's rule: at most `u=rw` for an own file, at most `u=rw,g=r` for root's.
fn is_too_open(uid: u32, mode: u32) -> bool {
    let forbidden = if uid == 0 { 0o037 } else { 0o077 };
    mode & forbidden != 0
}

/// Does not wait for the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn permission_rule_is_that_of_libpq() {
        for (uid, mode, refused) in [
            (1000, 0o600, false),
            (1000, 0o400, false),
            (1000, 0o640, true),
            (1000, 0o604, true),
            (0, 0o600, false),
            (0, 0o440, false),
            (0, 0o640, false),
            (0, 0o660, true),
            (0, 0o644, true),
        ] {
            assert_eq!(is_too_open(uid, mode), refused, "uid {uid} mode {mode:o}");
        }
    }

    #[test]
    fn world_readable_file_is_refused_with_the_command_that_helps() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pw");
        std::fs::write(&path, "geheim").expect("write");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("chmod");

        let error = read(&path, 100).expect_err("refused");

        assert!(
            error
                .to_string()
                .contains("can be read by others (mode 0644)")
        );
        assert!(error.hint().expect("hint").starts_with("run: chmod 06"));
    }

    #[test]
    fn directory_pipe_and_giant_are_refused_at_once() {
        let directory = tempfile::tempdir().expect("directory");
        let long = directory.path().join("long");
        std::fs::write(&long, [b'x'; 101]).expect("write");
        std::fs::set_permissions(&long, PermissionsExt::from_mode(0o600)).expect("chmod");

        assert!(matches!(
            read(&long, 100),
            Err(SecretFileError::TooLong { .. })
        ));
        assert!(matches!(
            read(directory.path(), 100),
            Err(SecretFileError::NotRegular { .. })
        ));
    }
}
