//! `SHOW CLIENTS` and `SHOW SERVERS`, with PgBouncer's columns.

use std::time::Duration;

use crate::snapshot::{ClientState, Detail, Overview, ServerState};
use crate::table::{Cell, Column, Table, int4, int8, text};

pub(super) const SOCKETS: &[Column] = &[
    text("type"),
    text("user"),
    text("database"),
    text("replication"),
    text("state"),
    text("addr"),
    int4("port"),
    text("local_addr"),
    int4("local_port"),
    text("connect_time"),
    text("request_time"),
    int4("wait"),
    int4("wait_us"),
    int4("close_needed"),
    text("ptr"),
    text("link"),
    int4("remote_pid"),
    text("tls"),
    text("application_name"),
    int4("prepared_statements"),
    int8("id"),
];

/// One client or server connection, as PgBouncer's "socket".
struct Socket<'a> {
    kind: &'a str,
    user: &'a str,
    database: &'a str,
    state: &'a str,
    peer: &'a pgmoor::stream::Peer,
    connected: std::time::SystemTime,
    heard: std::time::SystemTime,
    wait: Duration,
    close_needed: bool,
    link: String,
    pid: Option<i32>,
    tls: Option<&'a str>,
    application_name: &'a str,
    prepared: usize,
    id: u64,
}

impl Socket<'_> {
    fn row(self) -> [Cell; 21] {
        let (address, port, peer_pid) = match self.peer {
            pgmoor::stream::Peer::Tcp(address) => (
                address.ip().to_canonical().to_string(),
                address.port(),
                None,
            ),
            pgmoor::stream::Peer::Unix { pid, .. } => ("unix".to_owned(), 0, *pid),
        };
        [
            self.kind.into(),
            self.user.into(),
            self.database.into(),
            "none".into(),
            self.state.into(),
            address.into(),
            u64::from(port).into(),
            "".into(),
            0.into(),
            self.connected.into(),
            self.heard.into(),
            self.wait.as_secs().into(),
            u64::from(self.wait.subsec_micros()).into(),
            self.close_needed.into(),
            format!("{}{}", self.kind.to_lowercase(), self.id).into(),
            self.link.into(),
            Cell::Int(self.pid.or(peer_pid).unwrap_or(0).into()),
            self.tls.unwrap_or_default().into(),
            self.application_name.into(),
            (self.prepared as u64).into(),
            self.id.into(),
        ]
    }
}

pub(super) fn clients(overview: &Overview, detail: &Detail) -> Table {
    let mut table = Table::new(SOCKETS);
    let clock = overview.clock;
    for client in &detail.clients {
        let state = match client.state {
            // PgBouncer has no word for it: the client is linked to a server.
            ClientState::IdleInTransaction | ClientState::Active => "active",
            ClientState::Idle => "idle",
            ClientState::Waiting => "waiting",
        };
        let socket = Socket {
            kind: "C",
            user: &client.user,
            database: &client.database,
            state,
            peer: &client.peer,
            connected: clock.time_of(client.connected),
            heard: clock.time_of(client.heard),
            wait: client
                .waiting_since
                .map_or(Duration::ZERO, |since| clock.since(since)),
            close_needed: false,
            link: client.server.map(|id| format!("s{id}")).unwrap_or_default(),
            pid: None,
            tls: client.tls.as_deref(),
            application_name: &client.application_name,
            prepared: client.prepared,
            id: client.id.into(),
        };
        table.push(socket.row());
    }
    table
}

pub(super) fn servers(overview: &Overview, detail: &Detail) -> Table {
    let mut table = Table::new(SOCKETS);
    let clock = overview.clock;
    for server in &detail.servers {
        let socket = Socket {
            kind: "S",
            user: &server.user,
            database: &server.database,
            state: match server.state {
                ServerState::Active => "active",
                ServerState::Idle => "idle",
            },
            peer: &server.peer,
            connected: clock.time_of(server.opened),
            heard: clock.time_of(server.used),
            wait: Duration::ZERO,
            close_needed: server.close_needed,
            link: server.client.map(|id| format!("c{id}")).unwrap_or_default(),
            pid: server.pid,
            tls: server.tls.as_deref(),
            application_name: &server.application_name,
            prepared: server.prepared,
            id: server.id,
        };
        table.push(socket.row());
    }
    table
}
