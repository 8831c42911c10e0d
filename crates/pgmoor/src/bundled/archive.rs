//! Server programs from an archive (.tar.gz, .tar.xz, a package of npm): for hosts without network.
//!
//! An archive is unpacked once, into a directory named by the hash of its content, and appears
//! there whole or not at all. It does not verify signatures: the operator chose the file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

// A server's programs are about 120 MB in 1,500 files; more than this is not an archive of one.
const MAX_BYTES: u64 = 4 << 30;
const MAX_ENTRIES: usize = 100_000;
/// How deep `bin/postgres` may be; npm's packages have it at `package/native/bin`.
const MAX_DEPTH: usize = 4;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It cannot be read, or its content cannot be written.
    #[error("cannot {act}")]
    Io {
        /// A verb phrase.
        act: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Neither gzip nor xz.
    #[error("it is neither .tar.gz nor .tar.xz")]
    Format,
    /// A name or link leads out of the directory that it is unpacked into.
    #[error("entry \"{}\" leads out of the archive", .0.display())]
    Escapes(
        /// The entry's name.
        PathBuf,
    ),
    /// It holds a device, a pipe, or something else that is no file.
    #[error("entry \"{}\" is neither file, directory nor link", .0.display())]
    Kind(
        /// The entry's name.
        PathBuf,
    ),
    /// More entries or bytes than any server has.
    #[error("it is larger than any PostgreSQL")]
    TooLarge,
    /// No `bin/postgres` with `bin/initdb` in it.
    #[error("it holds no \"bin/postgres\" with \"bin/initdb\"")]
    NoServer,
}

impl ArchiveError {
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "check the path, the room on the disk, and that the file is whole",
            Self::Format | Self::NoServer | Self::Kind(_) | Self::TooLarge => {
                "name a .tar.gz, .tgz or .tar.xz of a PostgreSQL installation that holds \
                 bin/postgres, bin/initdb, lib and share"
            }
            Self::Escapes(_) => "do not use this archive: it tries to write outside its directory",
        }
        .to_owned()
    }
}

fn io(act: &'static str) -> impl FnOnce(io::Error) -> ArchiveError {
    move |source| ArchiveError::Io { act, source }
}

/// Unpacks `archive` below `cache`, unless that was done before; returns the directory that holds
/// `postgres`.
pub(crate) fn unpack(archive: &Path, cache: &Path) -> Result<PathBuf, ArchiveError> {
    let home = cache.join(content_hash(archive)?);
    if !home.is_dir() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(cache)
            .map_err(io("make the directory for server programs"))?;
        remove_abandoned(cache);
        // The directory is private to this process until it gets its name, in one step.
        let partial = cache.join(format!("{PARTIAL}{}", std::process::id()));
        let done = unpack_into(archive, &partial).and_then(|()| {
            find_bin(&partial, MAX_DEPTH).ok_or(ArchiveError::NoServer)?;
            fs::rename(&partial, &home).or_else(|error| {
                // Another process was faster with the same content.
                if home.is_dir() {
                    Ok(())
                } else {
                    Err(io("name the unpacked directory")(error))
                }
            })
        });
        // After success it is gone, or the copy that came second.
        let _ = fs::remove_dir_all(&partial);
        done?;
    }
    find_bin(&home, MAX_DEPTH).ok_or(ArchiveError::NoServer)
}

const PARTIAL: &str = ".partial-";

/// Removes what processes left behind that were killed while they unpacked.
fn remove_abandoned(cache: &Path) {
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|n| n.strip_prefix(PARTIAL)?.parse().ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else {
            continue;
        };
        let alive = rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH);
        if !alive || pid == rustix::process::getpid() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn content_hash(archive: &Path) -> Result<String, ArchiveError> {
    let mut file = File::open(archive).map_err(io("open the archive"))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(io("read the archive"))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hash.update(part);
    }
    Ok(hash
        .finalize()
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The directory below `root` that holds `postgres` and `initdb`.
pub(crate) fn find_bin(root: &Path, depth: usize) -> Option<PathBuf> {
    let has = |dir: &Path| dir.join("postgres").is_file() && dir.join("initdb").is_file();
    if has(root) {
        return Some(root.to_owned());
    }
    let bin = root.join("bin");
    if has(&bin) {
        return Some(bin);
    }
    let below = depth.checked_sub(1)?;
    let mut dirs: Vec<_> = fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    dirs.sort();
    dirs.iter()
        .filter(|dir| dir.is_dir())
        .find_map(|dir| find_bin(dir, below))
}

fn unpack_into(archive: &Path, target: &Path) -> Result<(), ArchiveError> {
    fs::DirBuilder::new()
        .mode(0o755)
        .create(target)
        .map_err(io("make a directory"))?;
    let mut file = File::open(archive).map_err(io("open the archive"))?;
    let mut magic = Vec::new();
    (&mut file)
        .take(6)
        .read_to_end(&mut magic)
        .map_err(io("read the archive"))?;
    let whole = io::Cursor::new(magic.clone()).chain(file);
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => entries(flate2::read::MultiGzDecoder::new(whole), target),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            entries(liblzma::read::XzDecoder::new_multi_decoder(whole), target)
        }
        _ => Err(ArchiveError::Format),
    }
}

/// Files first, links last: while files are written no link exists that could lead one astray.
fn entries(reader: impl Read, target: &Path) -> Result<(), ArchiveError> {
    let mut archive = tar::Archive::new(reader.take(MAX_BYTES));
    let mut links = BTreeMap::new();
    let read = || io("read the archive");
    for (count, entry) in archive.entries().map_err(read())?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(ArchiveError::TooLarge);
        }
        let mut entry = entry.map_err(read())?;
        let name = inside(&entry.path().map_err(read())?)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            make_dirs(&target.join(&name))?;
        } else if kind.is_symlink() {
            let to = entry
                .link_name()
                .map_err(read())?
                .unwrap_or_default()
                .into_owned();
            links.insert(name, to);
        } else if kind.is_hard_link() {
            let to = inside(&entry.link_name().map_err(read())?.unwrap_or_default())?;
            links.insert(name.clone(), relative(&name, &to));
        } else if kind.is_file() {
            let executable = entry.header().mode().map_err(read())? & 0o111 != 0;
            write_file(&target.join(&name), &mut entry, executable)?;
        } else if !matches!(kind, tar::EntryType::XGlobalHeader) {
            return Err(ArchiveError::Kind(name));
        }
    }
    add_npm_links(target, &mut links)?;
    check_links(&links)?;
    links
        .iter()
        .try_for_each(|(name, to)| write_link(target, name, to))
}

fn write_file(path: &Path, content: &mut impl Read, executable: bool) -> Result<(), ArchiveError> {
    if let Some(dir) = path.parent() {
        make_dirs(dir)?;
    }
    // npm's packing drops the mode of programs.
    let in_bin = path
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|name| name == "bin");
    let mode = if executable || in_bin { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(io("make a file"))?;
    io::copy(content, &mut file).map_err(io("unpack a file"))?;
    Ok(())
}

fn write_link(target: &Path, name: &Path, to: &Path) -> Result<(), ArchiveError> {
    let path = target.join(name);
    if let Some(dir) = path.parent() {
        make_dirs(dir)?;
    }
    match symlink(to, &path) {
        // A file of that name came before; both are the archive's own.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(io("make a link")),
    }
}

/// npm cannot pack links; these packages list them in a file instead.
fn add_npm_links(
    target: &Path,
    links: &mut BTreeMap<PathBuf, PathBuf>,
) -> Result<(), ArchiveError> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }

    let Ok(list) = fs::read(target.join("package/native/pg-symlinks.json")) else {
        return Ok(());
    };
    let list: Vec<Link> = serde_json::from_slice(&list)
        .map_err(|error| io("read pg-symlinks.json")(io::Error::other(error)))?;
    for link in list {
        let package = Path::new("package");
        let (name, to) = (
            inside(&package.join(link.target))?,
            inside(&package.join(link.source))?,
        );
        let to = relative(&name, &to);
        links.insert(name, to);
    }
    Ok(())
}

fn make_dirs(path: &Path) -> Result<(), ArchiveError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(io("make a directory"))
}

/// The name as a plain relative path.
fn inside(name: &Path) -> Result<PathBuf, ArchiveError> {
    let mut plain = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            _ => return Err(ArchiveError::Escapes(name.to_owned())),
        }
    }
    Ok(plain)
}

/// Refuses links that could lead out, judged by names alone before any of them exists.
///
/// No link lies behind another, and `..` stands only at the start of a target. So each `..` goes
/// up a true directory, and what follows passes only through links that stay inside themselves.
fn check_links(links: &BTreeMap<PathBuf, PathBuf>) -> Result<(), ArchiveError> {
    for (name, to) in links {
        let depth = name.components().count().saturating_sub(1);
        let ups = to
            .components()
            .take_while(|part| *part == Component::ParentDir)
            .count();
        let rest_is_plain = to
            .components()
            .skip(ups)
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let behind_link = name.ancestors().skip(1).any(|dir| links.contains_key(dir));
        if ups > depth || !rest_is_plain || behind_link {
            return Err(ArchiveError::Escapes(name.clone()));
        }
    }
    Ok(())
}

/// The way from the directory of `from` to `to`, both below one root.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let up = from.parent().map_or(0, |dir| dir.components().count());
    let mut way = PathBuf::from_iter(std::iter::repeat_n("..", up));
    way.push(to);
    way
}

#[cfg(test)]
mod tests;
