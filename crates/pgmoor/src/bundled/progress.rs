//! The steps of a start, as they are told to whoever watches.

use std::fmt;

use super::installation::Installation;

/// A step of a start, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another process starts the same server; it goes first.
    WaitingForOtherStart,
    /// A server runs already; it is shared.
    Joining,
    /// These server programs are used.
    Found(Installation),
    /// A cluster is made.
    Creating,
    /// The server starts.
    Starting,
    /// The server broke off, and is started again.
    Recovering {
        /// What happened.
        reason: String,
    },
    /// The application's role and database are made, or looked at.
    PreparingRoles,
    /// The server takes connections.
    Ready {
        /// The process id of its main process.
        pid: u32,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForOtherStart => f.write_str("waiting for another start of this server"),
            Self::Joining => f.write_str("joining the server that runs already"),
            Self::Found(server) => {
                write!(
                    f,
                    "using PostgreSQL {} in {}",
                    server.version,
                    server.bin_dir.display()
                )
            }
            Self::Creating => f.write_str("creating the data directory"),
            Self::Starting => f.write_str("starting PostgreSQL"),
            Self::Recovering { reason } => write!(f, "starting PostgreSQL again: {reason}"),
            Self::PreparingRoles => f.write_str("preparing role and database"),
            Self::Ready { pid } => write!(f, "PostgreSQL is ready (process {pid})"),
        }
    }
}
