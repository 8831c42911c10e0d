//! Clients and server connections, asked of the workers that have them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pgmoor::stream::Peer;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clients::{Client, Doing};
use crate::clock::Moment;
use crate::pool::{Pool, Server};
use crate::worker::{Shared, Worker};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClientState {
    Active,
    /// It has a server connection and an open transaction, and is silent.
    IdleInTransaction,
    Idle,
    Waiting,
}

impl ClientState {
    pub(crate) fn of(client: &Client) -> Self {
        match client.doing.get() {
            Doing::Idle => Self::Idle,
            Doing::Waiting => Self::Waiting,
            Doing::Active if client.running.get().is_none() && client.in_transaction.get() => {
                Self::IdleInTransaction
            }
            Doing::Active => Self::Active,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
        }
    }
}

/// What a server connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerState {
    Active,
    Idle,
}

impl ServerState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }
}

/// A logged-in client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientRow {
    pub(crate) id: u32,
    pub(crate) worker: usize,
    pub(crate) database: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) application_name: String,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<String>,
    pub(crate) state: ClientState,
    pub(crate) connected: Moment,
    /// When it last said something, or was answered.
    pub(crate) heard: Moment,
    /// Since when it waits for a server connection.
    pub(crate) waiting_since: Option<Moment>,
    /// The server connection that it has.
    pub(crate) server: Option<u64>,
    pub(crate) prepared: usize,
}

/// A server connection that a client has or that is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerRow {
    pub(crate) id: u64,
    pub(crate) worker: usize,
    pub(crate) database: Arc<str>,
    /// The user that it is logged in as.
    pub(crate) user: String,
    pub(crate) endpoint: Arc<str>,
    pub(crate) peer: Peer,
    /// The server's process.
    pub(crate) pid: Option<i32>,
    pub(crate) tls: Option<Arc<str>>,
    pub(crate) state: ServerState,
    pub(crate) opened: Moment,
    pub(crate) used: Moment,
    /// The client that has it.
    pub(crate) client: Option<u32>,
    pub(crate) application_name: String,
    pub(crate) prepared: usize,
    /// It is closed as soon as it is given back.
    pub(crate) close_needed: bool,
}

/// Every client and server connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) clients: Vec<ClientRow>,
    pub(crate) servers: Vec<ServerRow>,
    /// Workers that did not answer in time: theirs are missing.
    pub(crate) silent: Vec<usize>,
}

/// What only workers know and metrics want, by database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) idle_in_transaction: u64,
    /// Named statements that clients hold, each text once.
    pub(crate) statements: u64,
    /// Statements that are prepared on server connections.
    pub(crate) prepared: u64,
}

/// Has every worker answer `question`, until the deadline; also tells who did not.
async fn ask<T: Send + 'static>(
    shared: &Shared,
    limit: Duration,
    question: impl Fn(&Rc<Worker>) -> T + Clone + Send + 'static,
) -> (Vec<T>, Vec<usize>) {
    let deadline = Instant::now() + limit;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for worker in 0..shared.workers() {
        let (sender, question) = (sender.clone(), question.clone());
        shared.run_on(worker, move |own| {
            // Nobody waits any more when this fails.
            let _ = sender.send((own.index, question(own)));
        });
    }
    drop(sender);
    let mut answers = BTreeMap::new();
    while let Ok(Some((worker, answer))) = timeout_at(deadline, receiver.recv()).await {
        answers.insert(worker, answer);
    }
    let silent = (0..shared.workers())
        .filter(|worker| !answers.contains_key(worker))
        .collect();
    (answers.into_values().collect(), silent)
}

/// Every client and server connection, as far as workers answer in time.
pub(crate) async fn detail(shared: &Shared, limit: Duration) -> Detail {
    let (answers, silent) = ask(shared, limit, |worker| (clients(worker), servers(worker))).await;
    let mut detail = Detail {
        silent,
        ..Detail::default()
    };
    for (clients, servers) in answers {
        detail.clients.extend(clients);
        detail.servers.extend(servers);
    }
    detail.clients.sort_by_key(|row| row.id);
    detail.servers.sort_by_key(|row| row.id);
    detail
}

/// What only workers know and metrics want, as far as they answer in time.
pub(crate) async fn presence(
    shared: &Shared,
    limit: Duration,
) -> (HashMap<Arc<str>, Presence>, Vec<usize>) {
    let (answers, silent) = ask(shared, limit, presence_of).await;
    let mut all: HashMap<Arc<str>, Presence> = HashMap::new();
    for (database, presence) in answers.into_iter().flatten() {
        let sum = all.entry(database).or_default();
        sum.idle_in_transaction += presence.idle_in_transaction;
        sum.statements += presence.statements;
        sum.prepared += presence.prepared;
    }
    (all, silent)
}

/// The workers that do not answer in time.
pub(crate) async fn answering(shared: &Shared, limit: Duration) -> Vec<usize> {
    ask(shared, limit, |_| ()).await.1
}

fn clients(worker: &Rc<Worker>) -> Vec<ClientRow> {
    let mut rows = Vec::with_capacity(worker.clients.len());
    worker.clients.each(|client| {
        let state = ClientState::of(client);
        rows.push(ClientRow {
            id: client.id,
            worker: worker.index,
            database: client.database.clone(),
            user: client.user.clone(),
            application_name: client.application_name.clone(),
            peer: client.peer,
            tls: client.tls.clone(),
            state,
            connected: client.connected,
            heard: client.heard.get(),
            waiting_since: (state == ClientState::Waiting).then(|| client.since.get()),
            server: client.held.borrow().as_ref().map(|held| held.id),
            prepared: client.prepared.get().0,
        });
    });
    rows
}

fn servers(worker: &Rc<Worker>) -> Vec<ServerRow> {
    let pools = worker.pools();
    let mut rows = Vec::new();
    for pool in &pools {
        pool.each_idle(|server| rows.push(idle_row(worker.index, pool, server)));
    }
    worker.clients.each(|client| {
        let held = client.held.borrow();
        let Some(held) = &*held else { return };
        let of_database = |pool: &&Rc<Pool>| pool.shared.key.database == client.database;
        let own = |pool: &&Rc<Pool>| {
            of_database(pool)
                && pool
                    .shared
                    .key
                    .user
                    .as_ref()
                    .is_none_or(|user| *user == client.user)
        };
        let pool = pools.iter().find(own);
        rows.push(ServerRow {
            id: held.id,
            worker: worker.index,
            database: client.database.clone(),
            user: pool.map_or_else(|| client.user.to_string(), user_of),
            endpoint: held.endpoint.clone(),
            peer: held.peer,
            pid: held.pid,
            tls: held.tls.clone(),
            state: ServerState::Active,
            opened: held.opened,
            used: client.heard.get(),
            client: Some(client.id),
            application_name: client.application_name.clone(),
            prepared: client.prepared.get().1,
            close_needed: pool.is_some_and(|pool| held.generation != pool.shared.generation()),
        });
    });
    rows
}

fn idle_row(worker: usize, pool: &Rc<Pool>, server: &Server) -> ServerRow {
    let about = &server.about;
    ServerRow {
        id: about.card.id,
        worker,
        database: pool.shared.key.database.clone(),
        user: user_of(pool),
        endpoint: about.card.endpoint.clone(),
        peer: about.card.peer,
        pid: about.card.pid,
        tls: about.card.tls.clone(),
        state: ServerState::Idle,
        opened: about.card.opened,
        used: about.used.get(),
        client: None,
        application_name: String::new(),
        prepared: about.state.prepared_statements(),
        close_needed: about.card.generation != pool.shared.generation(),
    }
}

fn user_of(pool: &Rc<Pool>) -> String {
    let endpoint = pool.shared.database.endpoint.load();
    let user = pool.shared.key.user.as_deref();
    user.unwrap_or(endpoint.connector.user()).to_owned()
}

fn presence_of(worker: &Rc<Worker>) -> HashMap<Arc<str>, Presence> {
    let mut all: HashMap<Arc<str>, Presence> = HashMap::new();
    for pool in worker.pools() {
        let sum = all.entry(pool.shared.key.database.clone()).or_default();
        sum.statements += pool.registry.borrow().len() as u64;
        pool.each_idle(|server| {
            sum.prepared += server.about.state.prepared_statements() as u64;
        });
    }
    worker.clients.each(|client| {
        if client.held.borrow().is_none() {
            return;
        }
        let sum = all.entry(client.database.clone()).or_default();
        sum.prepared += client.prepared.get().1 as u64;
        sum.idle_in_transaction +=
            u64::from(ClientState::of(client) == ClientState::IdleInTransaction);
    });
    all
}
