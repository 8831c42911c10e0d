//! What can go wrong with a bundled server, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Side};

use super::archive::ArchiveError;
use super::installation::{Installation, Looked};

/// A bundled server could not be found, created, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundledError {
    /// No place that was looked at holds server programs of a supported version.
    #[error("no PostgreSQL server programs found; looked at {}", list(looked))]
    NoServer {
        /// Every place, and what was there.
        looked: Vec<Looked>,
    },
    /// The place that the settings name does not hold usable server programs.
    #[error("cannot use the PostgreSQL server programs in \"{}\": {problem}", place.display())]
    UnusableServer {
        /// What was named.
        place: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive of server programs cannot be unpacked.
    #[error("cannot unpack the PostgreSQL archive \"{}\"", archive.display())]
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// The data directory was made by another major version than the one at hand.
    #[error(
        "data directory \"{}\" was made by PostgreSQL {found}, but the server programs at hand are {}",
        data_dir.display(), versions(available)
    )]
    OtherMajor {
        /// The data directory, untouched.
        data_dir: PathBuf,
        /// Its major version.
        found: u16,
        /// The installations that were found.
        available: Vec<Installation>,
    },
    /// The directory holds something else than a PostgreSQL cluster.
    #[error("\"{}\" is not empty and not a PostgreSQL data directory", data_dir.display())]
    NotACluster {
        /// The directory, untouched.
        data_dir: PathBuf,
    },
    /// A file or directory belongs to another user than the one that must own it.
    #[error("\"{}\" belongs to user id {owner}, but the server is to run as user id {expected}", path.display())]
    ForeignOwner {
        /// What is owned by someone else.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who should.
        expected: u32,
    },
    /// Something that is not our directory stands where our directory must be.
    #[error("\"{}\" is in the way: {problem}", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// What it is.
        problem: &'static str,
    },
    /// Root starts the server as another user, who cannot get at the directory.
    #[error("user \"{user}\", who runs the server, may not enter \"{}\"", path.display())]
    Unreachable {
        /// The first directory on the way that is closed.
        path: PathBuf,
        /// The operating system's user.
        user: String,
    },
    /// Root may not run PostgreSQL, and there is no user to run it.
    #[error("PostgreSQL does not run as root, and there is no user {}", .0)]
    NoUser(
        /// The names that were tried, quoted.
        String,
    ),
    /// We run as a user without a name, as containers with arbitrary user IDs do.
    #[error(
        "user ID {uid} has no name on this system, and PostgreSQL runs under no user without one"
    )]
    Nameless {
        /// The user's number.
        uid: u32,
        /// The group's.
        gid: u32,
    },
    /// A file or directory could not be made or read.
    #[error("cannot {act} \"{}\"", path.display())]
    File {
        /// A verb phrase.
        act: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program could not be run.
    #[error("cannot run \"{}\"", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed; nothing is left of its work.
    #[error("cannot create the data directory \"{}\": initdb failed: {output}", data_dir.display())]
    Initdb {
        /// The data directory that was to be made.
        data_dir: PathBuf,
        /// The end of what initdb said.
        output: String,
    },
    /// The server does not start, or has stopped for good.
    #[error("PostgreSQL in \"{}\" is not running: {reason}{}", data_dir.display(), tail(log))]
    Server {
        /// The data directory.
        data_dir: PathBuf,
        /// What happened.
        reason: String,
        /// The last lines of the server's log.
        log: Vec<String>,
    },
    /// The keeper process broke off or cannot be understood.
    #[error("the keeper process of \"{}\" failed: {problem}", data_dir.display())]
    Keeper {
        /// The data directory.
        data_dir: PathBuf,
        /// What happened.
        problem: String,
    },
    /// Another process holds the start lock, or the server takes too long.
    #[error("gave up after {seconds} s: {what}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// The roles and the database for applications could not be made.
    #[error("cannot {act} on the bundled server: {problem}")]
    Roles {
        /// A verb phrase.
        act: String,
        /// The server's message, or why there is none.
        problem: String,
    },
}

impl BundledError {
    pub(crate) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Server { .. } | Self::Keeper { .. } | Self::Roles { .. } => ErrorKind::Server,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::NoServer { .. }
            | Self::UnusableServer { .. }
            | Self::Unpack { .. }
            | Self::OtherMajor { .. }
            | Self::NotACluster { .. }
            | Self::ForeignOwner { .. }
            | Self::InTheWay { .. }
            | Self::Unreachable { .. }
            | Self::NoUser(_)
            | Self::Nameless { .. }
            | Self::File { .. }
            | Self::Program { .. }
            | Self::Initdb { .. } => ErrorKind::Configuration,
        }
    }

    /// On whose side the cause lies: the server's when it was started, else here.
    pub fn side(&self) -> Side {
        if self.kind() == ErrorKind::Server {
            Side::Server
        } else {
            Side::Here
        }
    }

    /// Whether the same start may succeed a little later, with nothing changed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Keeper { .. })
    }

    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoServer { .. } => "install one (Debian, Ubuntu: apt-get install postgresql; \
                 Fedora, RHEL: dnf install postgresql-server; macOS: brew install postgresql@17), \
                 or set PGMOOR_PG_BIN to the directory that holds \"postgres\" and \"initdb\", \
                 or name a directory or archive of server programs as \"binaries\""
                .to_owned(),
            Self::UnusableServer { .. } => "name the directory that holds \"postgres\" and \
                 \"initdb\" of PostgreSQL 12 to 18, for this operating system and processor"
                .to_owned(),
            Self::Unpack { source, .. } => source.hint(),
            Self::OtherMajor { found, .. } => format!(
                "nothing was changed. To go on with the data as it is, install PostgreSQL {found} \
                 (its programs can stand beside others) or set \"binaries\" to them; to change \
                 the major version, give the new server a data directory of its own and take the \
                 data over with pg_dump and pg_restore"
            ),
            Self::NotACluster { .. } => {
                "nothing was changed. Set \"data_dir\" to a directory that \
                 does not exist yet or is empty; for a mounted volume, to a directory inside it"
                    .to_owned()
            }
            Self::ForeignOwner { path, expected, .. } => format!(
                "start pgmoor as the directory's owner, or hand it over with: chown -R {expected} '{}'",
                path.display()
            ),
            Self::InTheWay { path, .. } => {
                format!("look at it, and move it away: ls -ld '{}'", path.display())
            }
            Self::Unreachable { path, .. } => format!(
                "set \"data_dir\" to a place outside, such as /var/lib/pgmoor/data, start pgmoor \
                 as an ordinary user, or open the way with: chmod o+x '{}'",
                path.display()
            ),
            Self::NoUser(_) => "start pgmoor as an ordinary user, or make one with: \
                 useradd --system postgres"
                .to_owned(),
            Self::Nameless { uid, gid } => format!(
                "run pgmoor as a user of /etc/passwd (docker run --user, securityContext.runAsUser), \
                 or add this line to it: pgmoor:x:{uid}:{gid}::/tmp:/usr/sbin/nologin"
            ),
            Self::File { source, .. } => io_hint(source).to_owned(),
            Self::Program { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "the user that runs the server must be able to execute it and to enter the \
                 directories above it"
                    .to_owned()
            }
            Self::Program { source, .. } => io_hint(source).to_owned(),
            Self::Initdb { output, .. } => log_hint(std::slice::from_ref(output)).to_owned(),
            Self::Server { log, .. } => log_hint(log).to_owned(),
            Self::Keeper { data_dir, .. } => format!(
                "see \"{0}.run/keeper.log\"; committed data is safe in \"{0}\", start again",
                data_dir.display()
            ),
            Self::Timeout { .. } => {
                "another pgmoor may be starting the same server, or it recovers \
                 from a crash; see the end of the file \"postgresql.log\" in the directory beside \
                 the data directory"
                    .to_owned()
            }
            Self::Roles { .. } => {
                "see the end of the file \"postgresql.log\" in the directory beside \
                 the data directory"
                    .to_owned()
            }
        }
    }
}

fn list(looked: &[Looked]) -> String {
    looked
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn versions(installations: &[Installation]) -> String {
    let one = |i: &Installation| format!("{} in \"{}\"", i.version, i.bin_dir.display());
    installations.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn tail(log: &[String]) -> String {
    if log.is_empty() {
        return String::new();
    }
    format!("; the server's last words:\n  {}", log.join("\n  "))
}

fn io_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room and start again"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only: name a directory on another"
        }
        io::ErrorKind::PermissionDenied => {
            "give this user the right to it, or name another directory"
        }
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::ExecutableFileBusy => "the program is being replaced; start again",
        _ => "check the path and its file system",
    }
}

/// What the server's own log says to do, for the reasons people meet most.
pub(crate) fn log_hint(log: &[String]) -> &'static str {
    const KNOWN: [(&str, &str); 9] = [
        (
            "No space left on device",
            "the disk is full: make room and start again; nothing is lost",
        ),
        (
            "Address already in use",
            "another program has the port: set another \"port\", or none (the Unix socket is enough)",
        ),
        (
            "could not create shared memory segment",
            "the machine has too little memory for the server: lower shared_buffers in postgresql.conf, after the line that includes pgmoor.conf",
        ),
        (
            "could not map anonymous shared memory",
            "the machine has too little memory for the server: lower shared_buffers in postgresql.conf, after the line that includes pgmoor.conf",
        ),
        (
            "pre-existing shared memory block",
            "processes of an earlier server are still there: end them, then start again",
        ),
        (
            "database files are incompatible",
            "use server programs of the major version that made the data directory, or take the data over with pg_dump and pg_restore",
        ),
        (
            "contains errors",
            "correct postgresql.conf in the data directory at the line that is named",
        ),
        (
            "error while loading shared libraries",
            "the server programs do not fit this system: install PostgreSQL through the system's package manager, or use an archive for this system",
        ),
        (
            "Permission denied",
            "the user that runs the server needs the right to the file that is named",
        ),
    ];
    let otherwise = match log {
        [] => {
            "see the end of the file \"postgresql.log\" in the directory beside the data directory"
        }
        _ => "see the last words above",
    };
    KNOWN
        .iter()
        .find(|(sign, _)| log.iter().any(|line| line.contains(sign)))
        .map_or(otherwise, |(_, hint)| hint)
}
