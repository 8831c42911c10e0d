//! Why a copy did not come to its end.

use crate::error::Error;
use crate::wire_session::WireError;

/// Why a copy did not come to its end. What was copied until then is noted in the target, and the same copy goes on from
/// there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A session for statements failed.
    #[error(transparent)]
    Session(Box<Error>),
    /// A session that rows pass through failed, or a server refused.
    #[error("cannot {act}")]
    Wire {
        /// What was attempted, as a verb phrase.
        act: String,
        /// Why.
        #[source]
        source: WireError,
    },
    /// The target has objects that the copy did not make.
    #[error("the target is not empty: it has {count} objects of its own, {example} for one")]
    NotEmpty {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// An earlier copy does not end.
    #[error("{count} sessions of an earlier copy to the target do not end")]
    Busy {
        /// How many.
        count: usize,
    },
    /// Policies would hide rows.
    #[error("policies hide rows of {count} tables from {user}, {example} for one")]
    RowSecurity {
        /// How many tables.
        count: usize,
        /// One of them.
        example: String,
        /// As whom rows are read.
        user: String,
    },
    /// Something would get lost that nobody has accepted.
    #[error("{count} things would not get to the target, {example} for one")]
    Losses {
        /// How many.
        count: usize,
        /// One of them, with the reason.
        example: String,
    },
    /// An earlier copy to this target was of other objects.
    #[error("the source's objects are not those of the copy that was begun")]
    Redefined,
    /// What the server says of its tables is not of the form that is known.
    #[error("cannot understand what the server says of {what}")]
    Understand {
        /// Of what.
        what: String,
    },
    /// After the copy the objects differ.
    #[error("{} objects of the target are not as they are at the source: {}", .differences.len(), .differences.join("; "))]
    Different {
        /// Each, as a sentence.
        differences: Vec<String>,
    },
}

impl From<Error> for CopyError {
    fn from(error: Error) -> Self {
        Self::Session(Box::new(error))
    }
}

impl CopyError {
    /// For `map_err`: tells what was attempted, as a verb phrase.
    pub(crate) fn wire<A: Into<String>>(act: impl FnOnce() -> A) -> impl FnOnce(WireError) -> Self {
        move |source| Self::Wire {
            act: act().into(),
            source,
        }
    }

    /// What can be done about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Session(error) => return error.hint(),
            Self::Wire { source, .. } => return source.hint(),
            Self::NotEmpty { .. } => "copy into a database that was just created",
            Self::Busy { .. } => "look for \"pgmoor move copy\" in the target's pg_stat_activity",
            Self::RowSecurity { .. } => {
                "log in to the source as a superuser, or as a role with BYPASSRLS"
            }
            Self::Losses { .. } => {
                "make the roles on the target, map them to roles that are there, or accept each loss by name"
            }
            Self::Redefined => {
                "empty the target and begin again; migrations wait until a move is finished"
            }
            Self::Understand { .. } => return None,
            Self::Different { .. } => "look at the differences, and accept each by name or mend it",
        };
        Some(hint.to_owned())
    }
}
