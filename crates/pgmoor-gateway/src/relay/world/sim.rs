//! Clients with scripts, a few backends, and the relay between them: every byte in its own time.

use std::num::NonZeroUsize;

use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus};
use pgmoor_wire::sqlstate::ADMIN_SHUTDOWN;
use pgmoor_wire::{frame, tag};

use super::model::Backend;
use super::random::Random;
use crate::parameters::Parameters;
use crate::relay::{Broken, ClientSide, Flow, Relay, ServerState, Sink};
use crate::settings::{PoolMode, SessionState};
use crate::statements::Registry;

/// What one client sends at once, before it waits for the answers.
pub(crate) type Batch = Vec<u8>;

pub(crate) struct Script {
    pub(crate) batches: Vec<Batch>,
    /// Leaves after the last batch without waiting for its answers.
    pub(crate) vanishes: bool,
}

struct Client {
    name: usize,
    script: Script,
    sent: usize,
    /// What a backend of its own answers to everything, and how much of it to each batch.
    truth: Vec<u8>,
    marks: Vec<usize>,
    wire: Vec<u8>,
    inbox: Vec<u8>,
    received: Vec<u8>,
    relay: Relay,
    server: Option<usize>,
    fresh: bool,
    gone: bool,
}

struct Server {
    backend: Backend,
    state: ServerState,
    wire: Vec<u8>,
    inbox: Vec<u8>,
    taken: bool,
}

impl Server {
    /// As the pool does it, reading what the server reports.
    fn reset(&mut self) {
        self.backend.reset();
        self.state.discarded();
        self.state.report("TimeZone", "UTC");
    }
}

/// What clients find.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) mode: PoolMode,
    pub(crate) servers: usize,
    /// How many statements each may hold.
    pub(crate) statements: usize,
    /// Servers may die at any time.
    pub(crate) servers_die: bool,
}

pub(crate) struct World {
    clients: Vec<Client>,
    servers: Vec<Server>,
    registry: Registry,
    random: Random,
    statements: NonZeroUsize,
    servers_die: bool,
}

/// What went wrong, in words.
pub(crate) type Wrong = String;

fn server(statements: NonZeroUsize) -> Server {
    let reported = [("TimeZone".to_owned(), "UTC".to_owned())];
    Server {
        backend: Backend::new(),
        state: ServerState::new(reported, statements, None),
        wire: Vec::new(),
        inbox: Vec::new(),
        taken: false,
    }
}

fn client(name: usize, script: Script, mode: PoolMode) -> Client {
    let mut alone = Backend::new();
    let mut truth = Vec::new();
    let mut marks = vec![0];
    for batch in &script.batches {
        alone.feed(batch);
        truth.append(&mut alone.output);
        marks.push(truth.len());
    }
    // What we answer ourselves may come before it is asked for.
    truth.extend_from_slice(alone.unsent());
    Client {
        name,
        script,
        sent: 0,
        truth,
        marks,
        wire: Vec::new(),
        inbox: Vec::new(),
        received: Vec::new(),
        relay: Relay::new(mode, SessionState::Pin, Parameters::default()),
        server: None,
        fresh: false,
        gone: false,
    }
}

impl World {
    pub(crate) fn new(scripts: Vec<Script>, place: Place, random: Random) -> Self {
        let statements = NonZeroUsize::new(place.statements).expect("at least one");
        Self {
            clients: scripts
                .into_iter()
                .enumerate()
                .map(|(name, script)| client(name, script, place.mode))
                .collect(),
            servers: (0..place.servers).map(|_| server(statements)).collect(),
            registry: Registry::default(),
            random,
            statements,
            servers_die: place.servers_die,
        }
    }

    /// Lets everything happen, in a random order, until nothing is left to do.
    pub(crate) fn run(&mut self) -> Result<(), Wrong> {
        let mut idle = 0;
        while self.clients.iter().any(|client| !client.gone) {
            let who = self.random.below(self.clients.len() + self.servers.len());
            let moved = match who.checked_sub(self.clients.len()) {
                None => self.client_moves(who)?,
                Some(server) => self.server_moves(server)?,
            };
            idle = if moved { 0 } else { idle + 1 };
            // A fuzzer may never choose what could go on.
            if idle > 400 && !self.random.forget_given() {
                return Err(self.stuck());
            }
        }
        Ok(())
    }

    fn stuck(&self) -> Wrong {
        let client = self.clients.iter().find(|client| !client.gone);
        let client = client.expect("somebody waits");
        format!(
            "client {} waits for ever:\n  got  {}\n  want {}\n  {:?}",
            client.name,
            shown(&client.received),
            shown(&client.truth[..client.marks[client.sent]]),
            client.relay
        )
    }

    fn piece(&mut self, available: usize) -> usize {
        match self.random.below(4) {
            0 => 1,
            1 => 1 + self.random.below(available.min(12)),
            _ => available,
        }
    }

    fn client_moves(&mut self, at: usize) -> Result<bool, Wrong> {
        let client = &mut self.clients[at];
        if client.gone {
            return Ok(false);
        }
        let is_last = client.sent == client.script.batches.len();
        if !client.wire.is_empty() && !client.relay.is_waiting() && self.random.below(3) > 0 {
            let count = self.clients[at].wire.len();
            let count = self.piece(count);
            return self.read_client(at, count);
        }
        let client = &mut self.clients[at];
        if is_last
            && client.wire.is_empty()
            && (client.script.vanishes || client.received.len() >= client.truth.len())
        {
            return self.leave(at);
        }
        if !is_last && client.received.len() >= client.marks[client.sent] {
            client
                .wire
                .extend_from_slice(&client.script.batches[client.sent]);
            client.sent += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// What the session does with bytes of its client.
    fn read_client(&mut self, at: usize, count: usize) -> Result<bool, Wrong> {
        let client = &mut self.clients[at];
        if client.server.is_none() {
            client.inbox.extend(client.wire.drain(..count));
            return self.check_out(at);
        }
        client.inbox.extend(client.wire.drain(..count));
        self.take_from_client(at)?;
        Ok(true)
    }

    /// As `Session::wants`.
    fn check_out(&mut self, at: usize) -> Result<bool, Wrong> {
        let client = &mut self.clients[at];
        while client
            .relay
            .has_message(&client.inbox)
            .map_err(|e| e.to_string())?
        {
            match client.inbox[0] {
                tag::SYNC => backend::write_ready(&mut client.received, TransactionStatus::Idle),
                tag::FLUSH => {}
                _ => {
                    let Some(free) = self.servers.iter().position(|server| !server.taken) else {
                        // Waits: what was read goes back to the wire.
                        client.inbox.append(&mut client.wire);
                        client.wire = std::mem::take(&mut client.inbox);
                        return Ok(false);
                    };
                    self.servers[free].taken = true;
                    client.server = Some(free);
                    client.fresh = true;
                    self.take_from_client(at)?;
                    return Ok(true);
                }
            }
            client.inbox.drain(..frame::HEADER);
        }
        Ok(true)
    }

    /// As `Session::to_server`.
    fn take_from_client(&mut self, at: usize) -> Result<(), Wrong> {
        let client = &mut self.clients[at];
        let server = &mut self.servers[client.server.expect("it has one")];
        let input = std::mem::take(&mut client.inbox);
        let mut output = Vec::new();
        let begun = if std::mem::take(&mut client.fresh) {
            client.relay.attach(&mut server.state, &mut output)
        } else {
            client.relay.restore(&mut server.state, &mut output)
        };
        begun.map_err(|e| e.to_string())?;
        let mut sink = Sink::new(&input, &mut output);
        let mut side = ClientSide {
            server: &mut server.state,
            registry: &mut self.registry,
            to_server: &mut sink,
            to_client: &mut client.received,
        };
        let (taken, flow) = client
            .relay
            .client_bytes(&input, &mut side)
            .map_err(|e| e.to_string())?;
        assert_eq!(flow, Flow::More);
        let tail = sink.finish();
        server.wire.append(&mut output);
        server.wire.extend_from_slice(tail);
        client.inbox = input[taken..].to_vec();
        let holds_whole = client.relay.has_message(&client.inbox);
        if holds_whole == Ok(true) && !client.relay.is_waiting() {
            return Err(format!("client {}: a message is not taken", client.name));
        }
        self.check_answers(at)?;
        self.release_if_done(at)
    }

    fn server_moves(&mut self, at: usize) -> Result<bool, Wrong> {
        if self.servers_die && self.random.below(64) == 0 {
            return self.server_dies(at);
        }
        let wire = self.servers[at].wire.len();
        if wire > 0 && self.random.below(2) == 0 {
            let count = self.piece(wire);
            let server = &mut self.servers[at];
            let bytes: Vec<u8> = server.wire.drain(..count).collect();
            server.backend.feed(&bytes);
            return Ok(true);
        }
        let output = self.servers[at].backend.output.len();
        if output == 0 {
            return Ok(false);
        }
        let count = self.piece(output);
        let server = &mut self.servers[at];
        server.inbox.extend(server.backend.output.drain(..count));
        let Some(holder) = self
            .clients
            .iter()
            .position(|client| client.server == Some(at))
        else {
            return Err(format!(
                "a server that nobody has says {}",
                shown(&server.inbox)
            ));
        };
        self.take_from_server(holder)?;
        Ok(true)
    }

    /// As `Session::from_server`.
    fn take_from_server(&mut self, at: usize) -> Result<(), Wrong> {
        let client = &mut self.clients[at];
        let server = &mut self.servers[client.server.expect("it has one")];
        let input = std::mem::take(&mut server.inbox);
        let mut output = Vec::new();
        let mut sink = Sink::new(&input, &mut output);
        let taken = client
            .relay
            .server_bytes(&input, &mut server.state, &mut sink);
        let tail = sink.finish();
        client.received.append(&mut output);
        client.received.extend_from_slice(tail);
        let taken = taken.map_err(|error| format!("client {}: {error}: {error:?}", client.name))?;
        server.inbox = input[taken..].to_vec();
        self.check_answers(at)?;
        if self.clients[at].relay.resumes() {
            return self.take_from_client(at);
        }
        self.release_if_done(at)
    }

    /// The client has seen nothing that its own backend would not say.
    fn check_answers(&self, at: usize) -> Result<(), Wrong> {
        let client = &self.clients[at];
        if client.truth.starts_with(&client.received) || self.may_differ(at) {
            return Ok(());
        }
        Err(format!(
            "client {} got another answer:\n  got  {}\n  want {}",
            client.name,
            shown(&client.received),
            shown(&client.truth)
        ))
    }

    /// A client that broke the order of COPY gets what the server says, which depends on time.
    fn may_differ(&self, at: usize) -> bool {
        let server = self.clients[at].server;
        server.is_some_and(|server| self.servers[server].state.unprovable)
    }

    fn release_if_done(&mut self, at: usize) -> Result<(), Wrong> {
        let client = &mut self.clients[at];
        let Some(index) = client.server else {
            return Ok(());
        };
        let server = &mut self.servers[index];
        if !client.relay.is_releasable(&server.state) || !server.inbox.is_empty() {
            return Ok(());
        }
        client.relay.detach();
        client.server = None;
        server.taken = false;
        // A message that the server does not answer may still be on its way.
        let rest: Vec<u8> = std::mem::take(&mut server.wire);
        server.backend.feed(&rest);
        if !server.backend.is_at_rest() {
            return Err(format!(
                "client {} gave its server back in the middle",
                client.name
            ));
        }
        if server.state.dirty {
            server.reset();
        } else if server.backend.has_temporary() {
            return Err(format!("client {} left a table behind", client.name));
        }
        if self.clients[at].inbox.is_empty() {
            return Ok(());
        }
        self.check_out(at).map(drop)
    }

    /// A server goes away in the middle of anything; it may say so first.
    fn server_dies(&mut self, at: usize) -> Result<bool, Wrong> {
        let says = self.random.below(2) == 0;
        let mut dead = std::mem::replace(&mut self.servers[at], server(self.statements));
        let holder = |client: &Client| client.server == Some(at);
        let Some(client) = self.clients.iter_mut().find(|client| holder(client)) else {
            return Ok(true);
        };
        client.server = None;
        client.gone = true;
        if !says {
            return Ok(true);
        }
        let told = "terminating connection due to administrator command";
        let mut farewell = Vec::new();
        ErrorFields::fatal(ADMIN_SHUTDOWN, told).write_error(&mut farewell);
        let input = [dead.inbox, dead.backend.output, farewell.clone()].concat();
        let mut output = Vec::new();
        let mut sink = Sink::new(&input, &mut output);
        let relayed = client
            .relay
            .server_bytes(&input, &mut dead.state, &mut sink);
        let tail = sink.finish();
        match relayed {
            // Said in answer to what we asked for the client.
            Ok(_) | Err(Broken::Parameters(_)) => {}
            Err(error) => return Err(format!("client {}: {error}", client.name)),
        }
        client.received.append(&mut output);
        client.received.extend_from_slice(tail);
        let answers = client.received.strip_suffix(&*farewell);
        let answers = answers.unwrap_or(&client.received);
        if client.truth.starts_with(answers) || dead.state.unprovable {
            return Ok(true);
        }
        Err(format!(
            "client {} got another answer from a dying server:\n  got  {}\n  want {}",
            client.name,
            shown(&client.received),
            shown(&client.truth)
        ))
    }

    /// As `Session::end`.
    fn leave(&mut self, at: usize) -> Result<bool, Wrong> {
        let client = &mut self.clients[at];
        client.gone = true;
        if !client.script.vanishes && client.received != client.truth && !self.may_differ(at) {
            let client = &self.clients[at];
            return Err(format!(
                "client {} lacks answers, has {}",
                client.name,
                shown(&client.received)
            ));
        }
        let client = &mut self.clients[at];
        let Some(index) = client.server.take() else {
            return Ok(true);
        };
        let server = &mut self.servers[index];
        if server.inbox.is_empty() && client.relay.is_resettable(&server.state) {
            let rest: Vec<u8> = std::mem::take(&mut server.wire);
            server.backend.feed(&rest);
            if !server.backend.output.is_empty() {
                return Err(format!("client {} left answers behind", client.name));
            }
            server.reset();
            server.state.status = TransactionStatus::Idle;
            server.taken = false;
        } else {
            *server = self::server(self.statements);
        }
        Ok(true)
    }
}

/// Messages as people can read them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    while let Ok(Some(header)) = frame::header(rest) {
        let end = header.len.min(rest.len());
        let body = String::from_utf8_lossy(&rest[frame::HEADER..end]).replace('\0', ".");
        text.push_str(&format!("{} {body} | ", char::from(header.tag)));
        rest = &rest[end..];
    }
    text
}
