//! Why a client gets no server connection.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::ConnectError;
use pgmoor_wire::sqlstate::{self, SqlState};

/// Why a client gets no server connection.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CheckoutError {
    /// All are in use, or none could be opened, for as long as the client may wait.
    #[error("no server connection for database \"{database}\" within {} s", waited.as_secs_f32())]
    TimedOut {
        database: String,
        waited: Duration,
        paused: bool,
        /// The endpoint's limit, where that and not the pool's size is why.
        full: Option<(String, usize)>,
        /// Why none could be opened, if that was tried.
        #[source]
        last: Option<Arc<ConnectError>>,
    },
    #[error("too many clients wait for a server connection for database \"{database}\"")]
    QueueFull { database: String, limit: u32 },
    /// The server refuses what the client asks for at its start; its own words say so best.
    #[error("{}", .0.report().map_or("the server refuses a startup parameter", |report| &report.message))]
    Parameters(Arc<ConnectError>),
    #[error("cannot connect to the server of database \"{database}\"")]
    Connect {
        database: String,
        /// When the server is asked again; `None` for one that was asked just now.
        again: Option<Duration>,
        #[source]
        source: Arc<ConnectError>,
    },
}

impl CheckoutError {
    /// What the client's driver is told.
    pub(crate) fn sqlstate(&self) -> SqlState {
        match self {
            Self::TimedOut {
                last: Some(last), ..
            } => last.sqlstate(),
            Self::TimedOut { paused: true, .. } => sqlstate::CANNOT_CONNECT_NOW,
            Self::TimedOut { .. } | Self::QueueFull { .. } => sqlstate::TOO_MANY_CONNECTIONS,
            Self::Connect { source, .. } | Self::Parameters(source) => source.sqlstate(),
        }
    }

    /// What can be done about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::TimedOut { last: Some(last), .. } => last.hint().unwrap_or_default(),
            Self::TimedOut { paused: true, .. } => {
                "the database is paused; \"RESUME\" in the admin database lets clients go on".into()
            }
            Self::TimedOut {
                full: Some((endpoint, limit)),
                ..
            } => format!(
                "all {limit} connections that endpoint \"{endpoint}\" allows are in use: look at SHOW SERVERS for long transactions, or raise its max_connections"
            ),
            Self::TimedOut { .. } => {
                "all server connections are in use: look at SHOW SERVERS for long transactions, or raise pool.size"
                    .into()
            }
            Self::QueueFull { limit, .. } => {
                format!("{limit} clients wait already; raise pool.size or pool.max_waiting")
            }
            Self::Parameters(source) => {
                let hint = source.report().and_then(|report| report.hint.clone());
                hint.unwrap_or_default()
            }
            Self::Connect { source, again, .. } => {
                let hint = source.hint();
                let again = again.map(|again| format!("next try in {} s", again.as_secs() + 1));
                [hint, again].into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// The message with its causes.
    pub(crate) fn message(&self) -> String {
        crate::report::chain(self)
    }
}
