//! What a live move asks of the gateway that clients are connected to, wherever that runs.
//!
//! A cutover pauses a database, drains it, switches its endpoint and resumes it; clients stay
//! connected and wait. How the gateway is reached is not known here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The outcome of a verb, when it comes.
pub type Act<'a, T> = Pin<Box<dyn Future<Output = Result<T, TrafficError>> + Send + 'a>>;

/// Directs the traffic of a gateway, per database.
///
/// Every verb may be said twice: what is paused already stays paused.
pub trait TrafficControl: Send + Sync + fmt::Debug {
    /// Which endpoint serves this database, and which could.
    fn serving<'a>(&'a self, database: &'a str) -> Act<'a, Serving>;

    /// Gives out no server connection of this database any more; its clients wait instead.
    fn pause<'a>(&'a self, database: &'a str) -> Act<'a, ()>;

    /// Waits until no client uses a server connection of this paused database, at most so long.
    ///
    /// Cancel safe: the database stays paused.
    fn drain<'a>(&'a self, database: &'a str, limit: Duration) -> Act<'a, Drained>;

    /// Has another endpoint serve this paused database.
    fn switch<'a>(&'a self, database: &'a str, endpoint: &'a str) -> Act<'a, ()>;

    /// Gives out server connections again; clients that wait are served in their order.
    fn resume<'a>(&'a self, database: &'a str) -> Act<'a, ()>;
}

/// From where a database is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The endpoint that serves it.
    pub endpoint: String,
    /// The endpoints that it could be switched to, that one included.
    pub endpoints: Vec<String>,
    /// Whether its clients wait.
    pub is_paused: bool,
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Server connections that are still open.
    pub remaining: usize,
    /// Server processes whose clients have gone and that were not seen to end.
    pub unproven: usize,
}

impl Drained {
    /// Nothing of the database is at work at its server any more, as far as the gateway is
    /// concerned.
    pub fn is_done(self) -> bool {
        self.remaining == 0 && self.unproven == 0
    }
}

/// A verb was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrafficError {
    /// No such database.
    #[error("there is no database \"{database}\"")]
    NoDatabase {
        /// The name that was given.
        database: String,
    },
    /// No such endpoint.
    #[error("there is no endpoint \"{endpoint}\"")]
    NoEndpoint {
        /// The name that was given.
        endpoint: String,
    },
    /// A switch or a drain under traffic.
    #[error("database \"{database}\" is not paused")]
    NotPaused {
        /// Which database.
        database: String,
    },
    /// The gateway said no.
    #[error("the gateway refused to {verb}: {reason}")]
    Refused {
        /// What was asked.
        verb: &'static str,
        /// What it said.
        reason: String,
        /// What it said can be done about it.
        hint: Option<String>,
    },
    /// No gateway answers. Whether the verb was carried out is not known.
    #[error("cannot reach the gateway at {address}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TrafficError {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoDatabase { .. }
            | Self::NoEndpoint { .. }
            | Self::NotPaused { .. }
            | Self::Refused { .. } => false,
            Self::Unreachable { .. } => true,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoDatabase { .. } | Self::NoEndpoint { .. } => {
                Some("`pgmoor status` lists databases and endpoints".into())
            }
            Self::NotPaused { .. } => Some("pause it first".into()),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Unreachable { .. } => {
                Some("start it with pgmoor up, or name its configuration with --config".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Recorded(Mutex<Vec<String>>);

    impl Recorded {
        fn note<T: Send + 'static>(&self, what: String, outcome: T) -> Act<'_, T> {
            self.0.lock().expect("not poisoned").push(what);
            Box::pin(std::future::ready(Ok(outcome)))
        }
    }

    impl TrafficControl for Recorded {
        fn serving<'a>(&'a self, database: &'a str) -> Act<'a, Serving> {
            let serving = Serving {
                endpoint: "old".to_owned(),
                endpoints: vec!["old".to_owned(), "new".to_owned()],
                is_paused: false,
            };
            self.note(format!("serving {database}"), serving)
        }

        fn pause<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
            self.note(format!("pause {database}"), ())
        }

        fn drain<'a>(&'a self, database: &'a str, _limit: Duration) -> Act<'a, Drained> {
            self.note(
                format!("drain {database}"),
                Drained {
                    remaining: 0,
                    unproven: 0,
                },
            )
        }

        fn switch<'a>(&'a self, database: &'a str, endpoint: &'a str) -> Act<'a, ()> {
            self.note(format!("switch {database} to {endpoint}"), ())
        }

        fn resume<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
            self.note(format!("resume {database}"), ())
        }
    }

    #[tokio::test]
    async fn a_cutover_needs_no_more_than_the_trait() {
        let recorded = Recorded::default();
        let gateway: &dyn TrafficControl = &recorded;

        gateway.pause("app").await.expect("paused");
        let drained = gateway.drain("app", Duration::from_secs(1)).await;
        gateway.switch("app", "new").await.expect("switched");
        gateway.resume("app").await.expect("resumed");

        assert!(drained.expect("drained").is_done());
        assert_eq!(
            *recorded.0.lock().expect("not poisoned"),
            ["pause app", "drain app", "switch app to new", "resume app"]
        );
    }
}
