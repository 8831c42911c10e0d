//! Why a move does not go on.

use pgmoor_wire::SqlState;
use pgmoor_wire::lsn::Lsn;

use super::copy::CopyError;
use super::hindrance::Hindrance;
use crate::error::Error;
use crate::traffic::TrafficError;
use crate::wire_session::WireError;

/// Why a move does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// A server did not do what was asked, or cannot be reached.
    #[error(transparent)]
    Server(Box<Error>),
    /// The initial copy, or a comparison of rows, did not come to its end.
    #[error(transparent)]
    Copy(Box<CopyError>),
    /// The gateway did not.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A session went past the fence.
    #[error("the fence at endpoint \"{endpoint}\" lets strangers in")]
    FenceLeaks {
        /// Which.
        endpoint: String,
    },
    /// A session does not end.
    #[error("a session of {user} (process {pid}, \"{application}\") at the old side does not end")]
    Holdout {
        /// Its process.
        pid: i32,
        /// As whom.
        user: String,
        /// What it calls itself.
        application: String,
    },
    /// What the server sends as changes cannot be understood.
    #[error("cannot understand the changes that {endpoint} sends: {why}")]
    Stream {
        /// From where.
        endpoint: String,
        /// Why.
        why: String,
    },
    /// A server sends no more changes for now: it stops, or cannot be reached.
    #[error("{endpoint} sends no more changes: {why}")]
    Ended {
        /// From where.
        endpoint: String,
        /// In what.
        why: &'static str,
    },
    /// The receiving side has not the row that a change is about, or has one that it should not have.
    #[error("{table} is not what it was at the other side: {why}")]
    Diverged {
        /// Which table.
        table: String,
        /// In what.
        why: String,
    },
    /// Somebody changed the definition of something.
    #[error("objects were defined anew while the move was under way, by {statement}")]
    Redefined {
        /// The statement, or its command.
        statement: String,
        /// Where the changes before it end.
        at: Lsn,
    },
    /// The cutover did not come to an end in the time that it was given; clients go on at the old side.
    #[error("the cutover took longer than {limit_ms} ms while it was to {step}")]
    TooLong {
        /// What it was doing, as a verb phrase.
        step: &'static str,
        /// The limit.
        limit_ms: u128,
    },
    /// The move is not where this can be done.
    #[error("cannot {verb}: {why}")]
    NotNow {
        /// What was asked.
        verb: &'static str,
        /// Why not.
        why: String,
        /// What to type.
        hint: String,
    },
    /// A crossing failed, and undoing it did too: clients wait until somebody looks.
    #[error("{first}; and then it could not be undone: {then}")]
    Stuck {
        /// What failed.
        first: Box<MoveError>,
        /// What failed afterwards.
        then: Box<MoveError>,
    },
    /// Somebody asked to stop.
    #[error("stopped before it was done")]
    Interrupted,
    /// Another process does this move.
    #[error("another pgmoor took this move over")]
    TakenOver,
    /// The source keeps more of its log for the move than it may.
    #[error("the source keeps {kept} bytes of its log for this move, and may keep {limit}")]
    TooMuchLog {
        /// So much.
        kept: u64,
        /// So much is allowed.
        limit: u64,
    },
    /// The server threw away what was not read yet.
    #[error("the slot \"{slot}\" was lost: the server kept no more of its log")]
    SlotLost {
        /// Which.
        slot: String,
    },
    /// The rows are not the same.
    #[error("the rows of {count} tables are not the same at both sides; {first}")]
    Different {
        /// How many.
        count: usize,
        /// The first, and in what.
        first: String,
    },
    /// A server does not allow what a move needs.
    #[error("{}", all.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("; "))]
    Hindered {
        /// What.
        all: Vec<Hindrance>,
    },
    /// Not all is as the plan said.
    #[error("the plan does not hold: {why}")]
    Plan {
        /// Why.
        why: String,
    },
}

impl From<Error> for MoveError {
    fn from(error: Error) -> Self {
        Self::Server(Box::new(error))
    }
}

impl From<CopyError> for MoveError {
    fn from(error: CopyError) -> Self {
        Self::Copy(Box::new(error))
    }
}

impl From<WireError> for MoveError {
    fn from(error: WireError) -> Self {
        Error::from(error).into()
    }
}

impl MoveError {
    /// What a server called it, where it was a server that refused.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server(error) => error.sqlstate(),
            _ => None,
        }
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Server(error) => error.is_retryable(),
            Self::Ended { .. } => true,
            Self::Copy(_) => false,
            Self::Traffic(error) => error.is_retryable(),
            Self::FenceLeaks { .. }
            | Self::Holdout { .. }
            | Self::Stream { .. }
            | Self::Diverged { .. }
            | Self::Redefined { .. }
            | Self::TooLong { .. }
            | Self::NotNow { .. }
            | Self::Stuck { .. }
            | Self::Interrupted
            | Self::TakenOver
            | Self::TooMuchLog { .. }
            | Self::SlotLost { .. }
            | Self::Different { .. }
            | Self::Hindered { .. }
            | Self::Plan { .. } => false,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Server(error) => return error.hint(),
            Self::Traffic(error) => return error.hint(),
            Self::Copy(error) => return error.hint(),
            Self::NotNow { hint, .. } => hint.clone(),
            Self::FenceLeaks { .. } => {
                "a setting of the role overrides that of the database: look for local_preload_libraries in \\drds".into()
            }
            Self::Holdout { .. } => {
                "end it there, or let the move's role end it: GRANT pg_signal_backend TO the role".into()
            }
            Self::Diverged { .. } => {
                "somebody writes at the receiving side; pgmoor move abort, then begin again".into()
            }
            Self::Redefined { .. } => {
                "pgmoor move abort, then begin again; migrations wait until a move is finished".into()
            }
            Self::TooLong { .. } => {
                "nothing was changed; try at a quieter time, or allow more with --max-pause".into()
            }
            Self::TooMuchLog { .. } => {
                "pgmoor move abort lets it go; --wal-limit allows more, where the disk does".into()
            }
            Self::SlotLost { .. } => {
                "pgmoor move abort, then begin again with more max_slot_wal_keep_size".into()
            }
            Self::Stuck { .. } => {
                "clients wait; pgmoor move status tells where the move is, the same command goes on from there".into()
            }
            Self::Hindered { all } => return all.first().map(|one| one.hint.clone()),
            Self::Interrupted => "the same command goes on with it".into(),
            Self::Ended { .. } => "look at that server".into(),
            Self::TakenOver | Self::Stream { .. } | Self::Different { .. } | Self::Plan { .. } => {
                return None;
            }
        };
        Some(text)
    }
}
