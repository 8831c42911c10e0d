//! What the gateway does, at one moment, as plain data.
//!
//! ```text
//!   Overview   pools, databases, endpoints, totals    read from shared counters, waits for nobody
//!   Detail     clients, server connections            asked of each worker, with a deadline
//! ```

mod detail;
mod credential;
mod overview;

pub(crate) use credential::{CredentialRow, Trouble};
pub(crate) use detail::{
    ClientRow, ClientState, Detail, Presence, ServerRow, ServerState, answering, detail, presence,
};
pub(crate) use overview::{DatabaseRow, EndpointRow, Overview, PoolRow, overview};

use std::time::{Duration, SystemTime};

use crate::clock::Moment;

/// Turns moments into times of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Both are the same instant.
    pub(crate) time: SystemTime,
    pub(crate) moment: Moment,
}

impl Clock {
    pub(crate) fn now() -> Self {
        Self {
            time: SystemTime::now(),
            moment: Moment::now(),
        }
    }

    pub(crate) fn time_of(&self, moment: Moment) -> SystemTime {
        let ago = self.moment.since(moment);
        self.time.checked_sub(ago).unwrap_or(self.time)
    }

    pub(crate) fn since(&self, moment: Moment) -> Duration {
        self.moment.since(moment)
    }
}
