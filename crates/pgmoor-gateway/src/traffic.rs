//! The four traffic verbs, per database: pause, drain, switch, resume.
//!
//! While a database is paused its clients stay connected and wait in their queues; a transaction
//! that is open goes on to its end. This is what a live move stands on.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::info;

use crate::clients::{Doing, Order};
use crate::pool::{Database, Unproven};
use crate::preparation::Stage;
use crate::worker::Shared;

/// How often the end of transactions is looked for.
const GLANCE: Duration = Duration::from_millis(5);

/// How long ended clients may take to leave.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long after clients were ended others are looked for.
const END_AGAIN: Duration = Duration::from_millis(100);

/// A traffic verb that cannot be carried out.
#[derive(Debug, thiserror::Error)]
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
    /// Another process takes the place of this one.
    #[error("another pgmoor takes over from this one")]
    HandingOver,
    /// This process took the place of another one, which goes on with the clients that it has.
    #[error("process {pid}, from which this one took over, still has clients")]
    Predecessor {
        /// Its number.
        pid: u32,
    },
    /// A switch under traffic.
    #[error("database \"{database}\" is not paused")]
    NotPaused {
        /// Which database.
        database: String,
    },
}

impl TrafficError {
    /// What can be done about a takeover that is under way; nothing for other errors.
    pub(crate) fn takeover_hint(&self) -> Option<&'static str> {
        match self {
            Self::HandingOver => Some("ask again in a moment: the other one answers then"),
            Self::Predecessor { .. } => Some(
                "it would not follow: wait until it has ended, after gateway.shutdown_timeout at most, or end it with TERM",
            ),
            Self::NoDatabase { .. } | Self::NoEndpoint { .. } | Self::NotPaused { .. } => None,
        }
    }
}

/// Where a database is served from, as a successor has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The endpoint that the configuration names.
    pub configured: String,
    /// The endpoint that serves it; a switch may have led there.
    pub endpoint: String,
    /// No client is let in any more.
    #[serde(default)]
    pub disabled: bool,
}

/// What a drain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Server connections that clients still use, or whose statement has not ended yet.
    pub remaining: usize,
    /// Server processes whose clients have gone and that did not end in time: they may still be at
    /// work. They are forgotten with the next resume.
    pub unproven: Vec<Unproven>,
}

impl Drained {
    /// Nothing of this database is at work at its server any more, as far as this gateway is
    /// concerned.
    pub fn is_done(&self) -> bool {
        self.remaining == 0 && self.unproven.is_empty()
    }
}

/// Directs the traffic of a gateway.
#[derive(Debug, Clone)]
pub struct Traffic {
    shared: Arc<Shared>,
}

impl Traffic {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn database(&self, name: &str) -> Result<Arc<Database>, TrafficError> {
        let state = self.shared.state.load();
        let database = state.databases.get(name).cloned();
        database.ok_or_else(|| TrafficError::NoDatabase {
            database: name.to_owned(),
        })
    }

    /// The right to change the traffic, while held: there is one process that serves clients.
    fn changing(&self) -> Result<MutexGuard<'_, bool>, TrafficError> {
        let frozen = self.frozen();
        if *frozen {
            return Err(TrafficError::HandingOver);
        }
        match self.shared.predecessor() {
            Some(pid) => Err(TrafficError::Predecessor { pid }),
            None => Ok(frozen),
        }
    }

    fn frozen(&self) -> MutexGuard<'_, bool> {
        let frozen = self.shared.frozen.lock();
        frozen.unwrap_or_else(PoisonError::into_inner)
    }

    /// Where each database is served from, which nobody changes from now on.
    ///
    /// # Errors
    ///
    /// Why this cannot be handed over.
    pub(crate) fn freeze(&self) -> Result<BTreeMap<String, Standing>, String> {
        let mut frozen = self.frozen();
        let state = self.shared.state.load();
        let mut databases = state.databases.values();
        if let Some(paused) = databases.find(|database| database.paused.load(Ordering::SeqCst)) {
            return Err(format!("database \"{}\" is paused", paused.name));
        }
        *frozen = true;
        let standing = |database: &Arc<Database>| Standing {
            configured: database.configured.load().as_ref().clone(),
            endpoint: database.endpoint.load().name.clone(),
            disabled: database.disabled.load(Ordering::SeqCst),
        };
        let databases = state.databases.iter();
        Ok(databases
            .map(|(name, database)| (name.to_string(), standing(database)))
            .collect())
    }

    /// The successor did not come.
    pub(crate) fn thaw(&self) {
        *self.frozen() = false;
    }

    fn attend(&self, name: &str) {
        let name = name.to_owned();
        self.shared
            .run_everywhere(move |worker| worker.attend(&name));
    }

    /// Gives out no server connection of this database any more; clients wait instead.
    ///
    /// # Errors
    ///
    /// There is no such database, or a takeover is under way.
    pub fn pause(&self, name: &str) -> Result<(), TrafficError> {
        let database = self.database(name)?;
        let changing = self.changing()?;
        database.paused.store(true, Ordering::SeqCst);
        drop(changing);
        self.attend(name);
        info!(database = name, "paused");
        Ok(())
    }

    /// Waits until no client uses a server connection of this database, at most so long.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub async fn drain(&self, name: &str, limit: Duration) -> Result<Drained, TrafficError> {
        let database = self.database(name)?;
        let deadline = Instant::now() + limit;
        loop {
            let remaining = self.open(Some(name));
            if remaining == 0 || Instant::now() >= deadline {
                let unproven = database.suspects.all();
                info!(
                    database = name,
                    remaining,
                    unproven = unproven.len(),
                    "drained"
                );
                return Ok(Drained {
                    remaining,
                    unproven,
                });
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Server processes of these databases that were not seen to end.
    pub(crate) fn unproven(&self, names: &[String]) -> Vec<Unproven> {
        let databases = names.iter().filter_map(|name| self.database(name).ok());
        databases
            .flat_map(|database| database.suspects.all())
            .collect()
    }

    /// Server connections of this database that are open; without a name, of all.
    pub(crate) fn open(&self, name: Option<&str>) -> usize {
        let pools = self.shared.pools();
        pools
            .iter()
            .filter(|pool| name.is_none_or(|name| &*pool.key.database == name))
            .map(|pool| pool.open())
            .sum()
    }

    /// Whether this database is paused.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn is_paused(&self, name: &str) -> Result<bool, TrafficError> {
        Ok(self.database(name)?.paused.load(Ordering::SeqCst))
    }

    /// Lets no more clients in to this database, or lets them in again. Those that are there stay.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn disable(&self, name: &str, disabled: bool) -> Result<(), TrafficError> {
        let database = self.database(name)?;
        if *self.frozen() {
            return Err(TrafficError::HandingOver);
        }
        database.disabled.store(disabled, Ordering::SeqCst);
        info!(database = name, disabled, "clients may log in or not");
        Ok(())
    }

    /// Says what is being done to this database before its first client is let in; those that come wait.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn preparing(&self, name: &str, what: &str) -> Result<(), TrafficError> {
        let stage = Stage::UnderWay {
            what: what.to_owned(),
        };
        self.database(name)?.preparation.set(stage);
        Ok(())
    }

    /// Lets the clients of this database in: what was to be done is done.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn prepared(&self, name: &str) -> Result<(), TrafficError> {
        self.database(name)?.preparation.set(Stage::Done);
        Ok(())
    }

    /// Refuses the clients of this database, until it is said otherwise: what was to be done has failed.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn not_prepared(
        &self,
        name: &str,
        why: &str,
        hint: Option<String>,
    ) -> Result<(), TrafficError> {
        let why = why.to_owned();
        let stage = Stage::Failed { why, hint };
        self.database(name)?.preparation.set(stage);
        Ok(())
    }

    /// Whether this database lets clients in, as far as its preparation goes.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn is_prepared(&self, name: &str) -> Result<bool, TrafficError> {
        Ok(self.database(name)?.preparation.stage() == Stage::Done)
    }

    /// Pauses this database, ends all its clients, and closes its server connections, now.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn kill(&self, name: &str) -> Result<(), TrafficError> {
        self.pause(name)?;
        let database = self.database(name)?;
        database.kills.fetch_add(1, Ordering::SeqCst);
        let name = database.name.clone();
        info!(database = %name, "ending all clients");
        self.shared.run_everywhere(move |worker| {
            worker.clients.each(|client| {
                if client.database == name {
                    client.give_order(Order::Kill);
                }
            });
        });
        Ok(())
    }

    /// Ends the clients of this database that hold a server connection, as after a drain that took
    /// too long. They get SQLSTATE 57P01, at which drivers connect again, and then wait.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn end_holders(&self, name: &str) -> Result<(), TrafficError> {
        let database = self.database(name)?;
        database.kills.fetch_add(1, Ordering::SeqCst);
        let name = database.name.clone();
        self.shared.run_everywhere(move |worker| {
            worker.clients.each(|client| {
                if client.database == name && client.doing.get() == Doing::Active {
                    client.give_order(Order::Kill);
                }
            });
        });
        Ok(())
    }

    /// Ends the clients that hold a server connection, and those that come to hold one that was under
    /// way to them, until their statements have ended, too.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub(crate) async fn end_and_drain(&self, name: &str) -> Result<Drained, TrafficError> {
        // The servers' time begins when the clients have been ended.
        let limit = self.database(name)?.settings.load().cancel_timeout + END_LIMIT;
        let deadline = Instant::now() + limit;
        loop {
            self.end_holders(name)?;
            let drained = self.drain(name, END_AGAIN).await?;
            if drained.remaining == 0 || Instant::now() >= deadline {
                return Ok(drained);
            }
        }
    }

    /// Has another endpoint serve this database. It has to be paused.
    ///
    /// # Errors
    ///
    /// There is no such database or endpoint, the database is not paused, or a takeover is under way.
    pub fn switch(&self, name: &str, endpoint: &str) -> Result<(), TrafficError> {
        let database = self.database(name)?;
        let state = self.shared.state.load();
        let target = state
            .endpoints
            .get(endpoint)
            .ok_or_else(|| TrafficError::NoEndpoint {
                endpoint: endpoint.to_owned(),
            })?;
        if !database.paused.load(Ordering::SeqCst) {
            return Err(TrafficError::NotPaused {
                database: name.to_owned(),
            });
        }
        let changing = self.changing()?;
        database.endpoint.store(target.clone());
        database.generation.fetch_add(1, Ordering::SeqCst);
        drop(changing);
        self.attend(name);
        info!(database = name, endpoint, "switched");
        Ok(())
    }

    /// Gives out server connections again; clients that wait are served in their order.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn resume(&self, name: &str) -> Result<(), TrafficError> {
        let database = self.database(name)?;
        database.suspects.forget();
        database.paused.store(false, Ordering::SeqCst);
        self.attend(name);
        info!(database = name, "resumed");
        Ok(())
    }

    /// Replaces all server connections of this database as they come back, as after a failover.
    ///
    /// # Errors
    ///
    /// There is no such database.
    pub fn reconnect(&self, name: &str) -> Result<(), TrafficError> {
        self.database(name)?
            .generation
            .fetch_add(1, Ordering::SeqCst);
        self.attend(name);
        info!(database = name, "server connections are being replaced");
        Ok(())
    }

    /// The databases by name.
    pub fn databases(&self) -> Vec<String> {
        let state = self.shared.state.load();
        let mut names: Vec<String> = state.databases.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }
}
