//! What the tests need of this machine: free ports, private files, an unprivileged user.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// A user of this machine that may run PostgreSQL when we are root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account that servers run under: none, unless we are root, as PostgreSQL refuses root.
    pub(crate) fn for_servers() -> Option<Account> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("read /etc/passwd");
        let account = ["postgres", "nobody"]
            .iter()
            .find_map(|name| find_account(&accounts, name));
        Some(account.expect("this machine has a user postgres or nobody"))
    }
}

fn find_account(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next()? == name;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_it.then_some(Account { uid, gid })
    })
}

/// Gives `path`, and all that is in it, to `account`.
pub(crate) fn give_to(path: &Path, account: Option<Account>) -> io::Result<()> {
    let Some(Account { uid, gid }) = account else {
        return Ok(());
    };
    chown(path, Some(uid), Some(gid))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to(&entry?.path(), account)?;
        }
    }
    Ok(())
}

/// Copies a directory with everything in it; modes are kept, owners are not.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, content: impl AsRef<[u8]>) {
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_ref()));
    if let Err(error) = written {
        panic!("cannot write {}: {error}", path.display());
    }
}

/// Makes a directory of its own for a test; short enough for the path of a Unix socket.
pub fn private_dir(purpose: &str) -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix(&format!("pgmoor-{purpose}-"))
        .tempdir_in("/tmp")
        .expect("make a directory in /tmp");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("close directory");
    dir
}

/// A TCP port of 127.0.0.1 that nobody listens on.
///
/// It is outside the range that the kernel gives to outgoing connections, so that none of those
/// takes it before the server under test does.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = 15_000 + (random_u64() % 16_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port between 15000 and 31000");
}

/// An address of this machine that is none of the loopback: by it a server here looks like one elsewhere.
///
/// # Panics
///
/// When this machine has no network at all.
pub fn outward_address() -> std::net::IpAddr {
    // Nothing is sent: the kernel only chooses the way there.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    socket
        .connect((Ipv4Addr::new(198, 51, 100, 1), 9))
        .and_then(|()| socket.local_addr())
        .expect("this machine has a network")
        .ip()
}

/// Random letters and digits: a password that is never the same twice.
pub fn random_password() -> String {
    format!("{:016x}{:016x}", random_u64(), random_u64())
}

pub(crate) fn random_u64() -> u64 {
    getrandom::u64().expect("the system gives random numbers")
}

/// Where test runs keep what is slow to make: `target/test-postgres` of this workspace.
pub(crate) fn cache_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    target.join("test-postgres")
}

/// The library of libfaketime, where it is installed.
pub fn faketime() -> Option<PathBuf> {
    let systems = fs::read_dir("/usr/lib").ok()?;
    let mut places = systems.flatten().map(|system| system.path());
    places.find_map(|place| {
        let library = place.join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:\npostgres:x:101:102::/:";

        let found = find_account(accounts, "postgres").expect("it is there");

        assert_eq!((found.uid, found.gid), (101, 102));
        assert!(find_account(accounts, "nobody").is_none());
    }
}
