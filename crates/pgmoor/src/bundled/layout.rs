//! Where the files of a bundled server are, all derived from its data directory, and who may see
//! them.
//!
//! ```text
//! data/               the cluster (0700)
//! data.initializing-…  a cluster in the making; gets its name when it is whole
//! data.run/           0700: postgresql.log, keeper.log, keeper.lock and, when the path is short
//!                     enough for one, the sockets .s.PGSQL.5432 and keeper.sock
//! ```

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::account::Account;
use super::error::BundledError;

/// The port in the socket's name when there is no TCP port; the directory is the server's own.
pub(crate) const SOCKET_PORT: u16 = 5432;
/// `sun_path` holds 108 bytes on Linux and 104 on macOS, one of them NUL; some room is left.
const MAX_SOCKET_PATH: usize = 100;
const UNFINISHED: &str = ".initializing-";

/// The places of one bundled server, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) data_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

impl Layout {
    /// Places for `data_dir`, the same for every way to write its path.
    pub(crate) fn of(data_dir: &Path) -> Result<Self, BundledError> {
        let absolute =
            std::path::absolute(data_dir).map_err(BundledError::file("resolve", data_dir))?;
        let data_dir = match (
            fs::canonicalize(&absolute),
            absolute.parent(),
            absolute.file_name(),
        ) {
            (Ok(real), ..) => real,
            (Err(_), Some(parent), Some(name)) => fs::canonicalize(parent)
                .unwrap_or_else(|_| parent.to_owned())
                .join(name),
            _ => absolute,
        };
        let run_dir = beside(&data_dir, ".run");
        let longest = run_dir.join(".s.PGSQL.65535.lock").as_os_str().len();
        let socket_dir = if longest <= MAX_SOCKET_PATH {
            run_dir.clone()
        } else {
            let hash = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
            let hash: String = hash
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            PathBuf::from(format!("/tmp/pgmoor-{hash}"))
        };
        Ok(Self {
            data_dir,
            run_dir,
            socket_dir,
        })
    }

    /// A new name for a cluster in the making.
    ///
    /// Every attempt has its own: an `initdb` whose gateway was killed tidies up behind itself, and
    /// must not find the next attempt in its place.
    pub(crate) fn new_unfinished(&self) -> PathBuf {
        let attempt = RandomState::new().hash_one(std::process::id());
        beside(&self.data_dir, &format!("{UNFINISHED}{attempt:016x}"))
    }

    /// What killed starts left.
    pub(crate) fn unfinished(&self) -> Vec<PathBuf> {
        let prefix = beside(&self.data_dir, UNFINISHED);
        let Some(dir) = self.data_dir.parent() else {
            return Vec::new();
        };
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        let start = prefix.as_os_str().as_encoded_bytes();
        paths.retain(|path| path.as_os_str().as_encoded_bytes().starts_with(start));
        paths
    }

    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.socket_dir.join("keeper.sock")
    }

    /// Makes the directories around the data directory, for `account` only.
    pub(crate) fn prepare(&self, state_dir: &Path, account: &Account) -> Result<(), BundledError> {
        let mode = if account.switch { 0o711 } else { 0o700 };
        for dir in [Some(state_dir), self.data_dir.parent()]
            .into_iter()
            .flatten()
        {
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(dir)
                .map_err(BundledError::file("make the directory", dir))?;
        }
        if account.switch {
            self.open_the_way(state_dir, account)?;
        }
        private_dir(&self.run_dir, account)?;
        if self.socket_dir != self.run_dir {
            private_dir(&self.socket_dir, account)?;
        }
        Ok(())
    }

    /// Root's state directory may be entered (not listed) by the server's user; the mode of any
    /// other directory is the operator's to change.
    fn open_the_way(&self, state_dir: &Path, account: &Account) -> Result<(), BundledError> {
        let state_dir = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        for dir in self.data_dir.ancestors().skip(1) {
            let meta = fs::metadata(dir).map_err(BundledError::file("look at", dir))?;
            if account.may_enter(&meta) {
                continue;
            }
            if dir != state_dir || meta.uid() != 0 {
                let (path, user) = (dir.to_owned(), account.name.clone());
                return Err(BundledError::Unreachable { path, user });
            }
            fs::set_permissions(dir, Permissions::from_mode(0o711))
                .map_err(BundledError::file("set the mode of", dir))?;
        }
        Ok(())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// Makes `path` a directory that only `account` may use, or finds it so.
///
/// It may lie in `/tmp`, where another user can put something of the same name first: whatever is
/// not a directory of `account` is refused, and links are not followed.
pub(crate) fn private_dir(path: &Path, account: &Account) -> Result<(), BundledError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(BundledError::file("make the directory", path))?,
    }
    let meta = fs::symlink_metadata(path).map_err(BundledError::file("look at", path))?;
    if !meta.is_dir() {
        let problem = "it is not a directory, and a link is not followed";
        return Err(BundledError::InTheWay {
            path: path.to_owned(),
            problem,
        });
    }
    let dir = open_dir(path)?;
    let meta = dir
        .metadata()
        .map_err(BundledError::file("look at", path))?;
    // Root's own was just made, now or by a start that was killed here.
    if account.switch && meta.uid() == 0 {
        fchown(&dir, Some(account.uid), Some(account.gid))
            .map_err(BundledError::file("hand over", path))?;
    }
    close_to_others(&dir, path, account)
}

/// Sets the mode 0700 of a directory of `account`, and refuses one of anyone else.
pub(crate) fn close_to_others(
    dir: &File,
    path: &Path,
    account: &Account,
) -> Result<(), BundledError> {
    let meta = dir
        .metadata()
        .map_err(BundledError::file("look at", path))?;
    if meta.uid() != account.uid {
        let (owner, expected) = (meta.uid(), account.uid);
        return Err(BundledError::ForeignOwner {
            path: path.to_owned(),
            owner,
            expected,
        });
    }
    if meta.mode() & 0o777 != 0o700 {
        dir.set_permissions(Permissions::from_mode(0o700))
            .map_err(BundledError::file("set the mode of", path))?;
    }
    Ok(())
}

/// Opens the directory itself: what is done to it then cannot be led elsewhere by a link.
pub(crate) fn open_dir(path: &Path) -> Result<File, BundledError> {
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(BundledError::file("open", path))
}

/// Opens a file of `account` for appending; 0600, links not followed.
pub(crate) fn open_log(path: &Path, account: &Account) -> Result<File, BundledError> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(BundledError::file("open", path))?;
    if account.switch {
        fchown(&file, Some(account.uid), Some(account.gid))
            .map_err(BundledError::file("hand over", path))?;
    }
    Ok(file)
}

/// Writes a file that only its owner reads, whole or not at all, and durably.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = beside(path, &format!(".{}.partial", std::process::id()));
    let _ = fs::remove_file(&partial);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_parent(path)
}

/// Makes a new name in the directory of `path` survive a power cut.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Account {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        Account {
            name: "me".to_owned(),
            uid,
            gid,
            switch: false,
        }
    }

    #[test]
    fn every_spelling_of_a_data_directory_has_the_same_places() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let plain = dir.path().join("data");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).expect("link");

        let before = Layout::of(&plain).expect("layout");
        fs::create_dir(&plain).expect("data");

        assert_eq!(Layout::of(&plain).expect("layout"), before);
        assert_eq!(
            Layout::of(&dir.path().join("link/data")).expect("layout"),
            before
        );
        assert_eq!(
            Layout::of(&dir.path().join("link/./data")).expect("layout"),
            before
        );
    }

    #[test]
    fn sockets_of_a_deep_data_directory_get_a_short_path() {
        let deep =
            Layout::of(&Path::new("/srv").join("x".repeat(120)).join("data")).expect("layout");
        let flat = Layout::of(Path::new("/srv/data")).expect("layout");

        assert!(deep.socket_dir.starts_with("/tmp") && deep.socket_dir.as_os_str().len() < 40);
        assert_eq!(flat.socket_dir, Path::new("/srv/data.run"));
    }

    #[test]
    fn a_private_directory_is_closed_to_others_also_when_it_was_open() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("run");
        fs::create_dir(&path).expect("directory");
        fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("mode");

        private_dir(&path, &me()).expect("private");

        assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_link_or_file_or_foreign_directory_in_the_way_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::os::unix::fs::symlink("/tmp", &link).expect("link");
        fs::write(&file, "").expect("file");
        let other = Account {
            uid: me().uid + 1,
            ..me()
        };

        for path in [&link, &file] {
            assert!(matches!(
                private_dir(path, &me()),
                Err(BundledError::InTheWay { .. })
            ));
        }
        let foreign = private_dir(dir.path(), &other);
        assert!(matches!(foreign, Err(BundledError::ForeignOwner { .. })));
    }

    #[test]
    fn a_private_file_is_replaced_whole_and_closed_to_others() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("secret");

        write_private(&path, b"one").expect("write");
        write_private(&path, b"two").expect("write");

        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
