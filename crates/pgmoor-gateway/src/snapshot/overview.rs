//! Pools, databases and endpoints, from counters that anybody may read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Clock, CredentialRow};
use crate::clock::Moment;
use crate::counters::Gauge;
use crate::pool::{Failure, SharedPool};
use crate::preparation::Stage;
use crate::settings::PoolMode;
use crate::totals::ByDatabase;
use crate::worker::{Shared, State};

/// A pool: the server connections of one database and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolRow {
    pub(crate) database: Arc<str>,
    /// The user that it logs in as at the server.
    pub(crate) user: String,
    pub(crate) mode: PoolMode,
    pub(crate) size: u64,
    /// Clients that are logged in.
    pub(crate) clients: u64,
    pub(crate) active_clients: u64,
    pub(crate) waiting_clients: u64,
    /// Server connections that are open or being opened.
    pub(crate) open: u64,
    pub(crate) active_servers: u64,
    pub(crate) idle_servers: u64,
    pub(crate) opening_servers: u64,
    pub(crate) resetting_servers: u64,
    /// Those without a client whose process has not ended yet.
    pub(crate) closing_servers: u64,
    /// For how long the client that waits longest does.
    pub(crate) longest_wait: Duration,
}

/// A database that clients ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseRow {
    pub(crate) name: Arc<str>,
    pub(crate) endpoint: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Its name at the server.
    pub(crate) dbname: String,
    /// The user that all its server connections log in as; `None` when each client's own.
    pub(crate) user: Option<String>,
    pub(crate) mode: PoolMode,
    pub(crate) size: u64,
    pub(crate) min_idle: u64,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) max_connections: Option<u64>,
    pub(crate) clients: u64,
    pub(crate) waiting_clients: u64,
    pub(crate) servers: u64,
    pub(crate) paused: bool,
    pub(crate) disabled: bool,
    /// What has to be done before clients are let in.
    pub(crate) preparation: Stage,
    /// Whether the last attempt to connect to its server succeeded; `None` when there was none.
    pub(crate) reachable: Option<bool>,
    pub(crate) last_success: Option<Moment>,
    pub(crate) last_failure: Option<Failure>,
}

/// A PostgreSQL that databases are served from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointRow {
    pub(crate) name: String,
    /// `host:port` of each host, or the path of a socket.
    pub(crate) hosts: Vec<String>,
    pub(crate) user: String,
    pub(crate) open: u64,
    pub(crate) max_connections: Option<u64>,
    /// The databases that it serves.
    pub(crate) databases: Vec<Arc<str>>,
    pub(crate) reachable: Option<bool>,
    pub(crate) last_success: Option<Moment>,
    pub(crate) last_failure: Option<Failure>,
    /// What it is logged in to with, where that is renewed.
    pub(crate) credential: Option<CredentialRow>,
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub(crate) clock: Clock,
    pub(crate) started: Moment,
    pub(crate) stopping: bool,
    /// Connections that are accepted, logged in or not.
    pub(crate) connected: u64,
    pub(crate) max_clients: u64,
    pub(crate) workers: usize,
    pub(crate) pools: Vec<PoolRow>,
    pub(crate) databases: Vec<DatabaseRow>,
    pub(crate) endpoints: Vec<EndpointRow>,
    pub(crate) users: Vec<String>,
    /// Counted since the start.
    pub(crate) totals: ByDatabase,
    /// How long `recent` covers: about a minute, less after a start.
    pub(crate) period: Duration,
    pub(crate) recent: ByDatabase,
}

impl Overview {
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.since(self.started)
    }

    /// The pools of a database.
    pub(crate) fn pools_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a PoolRow> {
        self.pools
            .iter()
            .filter(move |pool| &*pool.database == name)
    }
}

/// Reads what anybody may read. It waits for nobody.
pub(crate) fn overview(shared: &Shared) -> Overview {
    let clock = Clock::now();
    let state = shared.state.load_full();
    let mut shared_pools = shared.pools();
    shared_pools
        .sort_by(|a, b| (&a.key.database, &a.key.user).cmp(&(&b.key.database, &b.key.user)));
    let pools: Vec<PoolRow> = shared_pools
        .iter()
        .map(|pool| pool_row(pool, clock))
        .collect();
    let databases = databases(&state, &pools);
    let totals = shared.totals(&shared_pools);
    let (period, recent) = shared.history.recent(clock.moment, shared.started, &totals);
    Overview {
        clock,
        started: shared.started,
        stopping: shared.stopping.load(Ordering::SeqCst),
        connected: shared.connected() as u64,
        max_clients: state.settings.max_client_connections.get().into(),
        workers: shared.workers(),
        endpoints: endpoints(&state, &databases),
        users: state.users.names(),
        pools,
        databases,
        totals,
        period,
        recent,
    }
}

fn pool_row(pool: &Arc<SharedPool>, clock: Clock) -> PoolRow {
    let sum = |gauge: fn(&crate::counters::PoolCounters) -> &Gauge| {
        pool.desks
            .iter()
            .map(|desk| gauge(&desk.counters).get())
            .sum()
    };
    let oldest = pool
        .desks
        .iter()
        .map(|desk| desk.counters.oldest_wait.get())
        .filter(|&oldest| oldest != 0)
        .min();
    let settings = pool.database.settings.load();
    let endpoint = pool.database.endpoint.load();
    let user = pool.key.user.as_deref();
    PoolRow {
        database: pool.key.database.clone(),
        user: user.unwrap_or(endpoint.connector.user()).to_owned(),
        mode: settings.mode,
        size: settings.size.get().into(),
        clients: sum(|counters| &counters.clients),
        active_clients: sum(|counters| &counters.active_clients),
        waiting_clients: sum(|counters| &counters.waiting_clients),
        open: pool.open() as u64,
        active_servers: sum(|counters| &counters.active_servers),
        idle_servers: sum(|counters| &counters.idle_servers),
        opening_servers: sum(|counters| &counters.opening_servers),
        resetting_servers: sum(|counters| &counters.resetting_servers),
        closing_servers: sum(|counters| &counters.closing_servers),
        longest_wait: oldest.map_or(Duration::ZERO, |oldest| {
            clock.since(Moment::from_micros(oldest))
        }),
    }
}

fn databases(state: &State, pools: &[PoolRow]) -> Vec<DatabaseRow> {
    let mut rows: Vec<DatabaseRow> = state
        .databases
        .values()
        .map(|database| {
            let endpoint = database.endpoint.load();
            let settings = database.settings.load();
            let parsed = endpoint.connector.endpoint();
            let own = || pools.iter().filter(|pool| pool.database == database.name);
            let first = parsed.hosts.first();
            DatabaseRow {
                name: database.name.clone(),
                endpoint: endpoint.name.clone(),
                host: join(parsed.hosts.iter().map(host_name)),
                port: first.map_or(0, |host| host.port),
                dbname: database.name_at(&endpoint),
                user: Some(endpoint.connector.user().to_owned()).filter(|_| {
                    state.settings.auth.passthrough == crate::settings::Passthrough::None
                }),
                mode: settings.mode,
                size: settings.size.get().into(),
                min_idle: settings.min_idle.into(),
                lifetime: settings.lifetime.get(),
                max_connections: endpoint.max_connections.map(|limit| limit as u64),
                clients: own().map(|pool| pool.clients).sum(),
                waiting_clients: own().map(|pool| pool.waiting_clients).sum(),
                servers: own().map(|pool| pool.open).sum(),
                paused: database.paused.load(Ordering::SeqCst),
                disabled: database.disabled.load(Ordering::SeqCst),
                preparation: database.preparation.stage(),
                reachable: database.health.is_good(),
                last_success: database.health.last_success(),
                last_failure: database.health.last_failure(),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn endpoints(state: &State, databases: &[DatabaseRow]) -> Vec<EndpointRow> {
    let mut rows: Vec<EndpointRow> = state
        .endpoints
        .values()
        .map(|endpoint| {
            let served = || databases.iter().filter(|row| row.endpoint == endpoint.name);
            let last_success = served().filter_map(|row| row.last_success).max();
            let last_failure = served()
                .filter_map(|row| row.last_failure.clone())
                .max_by_key(|failure| failure.at);
            let reachable = match (&last_success, &last_failure) {
                (None, None) => None,
                (success, failure) => Some(*success >= failure.as_ref().map(|failure| failure.at)),
            };
            EndpointRow {
                name: endpoint.name.clone(),
                hosts: endpoint
                    .connector
                    .endpoint()
                    .hosts
                    .iter()
                    .map(|host| match host.socket_path() {
                        Some(path) => path.display().to_string(),
                        None => format!("{}:{}", host_name(host), host.port),
                    })
                    .collect(),
                user: endpoint.connector.user().to_owned(),
                open: endpoint.open() as u64,
                max_connections: endpoint.max_connections.map(|limit| limit as u64),
                databases: served().map(|row| row.name.clone()).collect(),
                reachable,
                last_success,
                last_failure,
                credential: CredentialRow::of(&endpoint.connector),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn host_name(host: &pgmoor::endpoint::Host) -> String {
    if let Some(path) = host.socket_path() {
        let directory = path.parent().unwrap_or(&path);
        return directory.display().to_string();
    }
    match (host.name(), host.address()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(address)) => address.to_string(),
        (None, None) => String::new(),
    }
}

fn join(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(",")
}
