//! One client and one server connection, spoken to message by message.

use std::num::NonZeroUsize;

use pgmoor_wire::frame;

use crate::parameters::Parameters;
use crate::relay::{Broken, ClientSide, Relay, ServerState, Sink, Violation};
use crate::settings::{PoolMode, SessionState};
use crate::statements::Registry;

pub(super) struct Pair {
    pub(super) relay: Relay,
    pub(super) server: ServerState,
    registry: Registry,
}

pub(super) fn fresh_server() -> ServerState {
    let reported = [("TimeZone".to_owned(), "UTC".to_owned())];
    ServerState::new(reported, NonZeroUsize::new(10).expect("not zero"), None)
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::with(SessionState::Pin, Parameters::default())
    }

    pub(super) fn with(session_state: SessionState, startup: Parameters) -> Self {
        Self {
            relay: Relay::new(PoolMode::Transaction, session_state, startup),
            server: fresh_server(),
            registry: Registry::default(),
        }
    }

    /// Goes back to the pool and takes another server connection.
    pub(super) fn moves(&mut self) -> Vec<u8> {
        assert!(self.relay.is_releasable(&self.server), "{:?}", self.relay);
        self.relay.detach();
        self.server = fresh_server();
        let mut out = Vec::new();
        self.relay
            .attach(&mut self.server, &mut out)
            .expect("parameters fit");
        out
    }

    /// Gives what the server is sent, what the client is told at once, and what is left to take.
    pub(super) fn try_say(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>, usize), Violation> {
        let mut to_server = Vec::new();
        let mut to_client = Vec::new();
        let mut sink = Sink::new(bytes, &mut to_server);
        let mut side = ClientSide {
            server: &mut self.server,
            registry: &mut self.registry,
            to_server: &mut sink,
            to_client: &mut to_client,
        };
        let (taken, _) = self.relay.client_bytes(bytes, &mut side)?;
        let tail = sink.finish();
        to_server.extend_from_slice(tail);
        Ok((to_server, to_client, bytes.len() - taken))
    }

    /// What the client says goes to the server as these messages.
    pub(super) fn say(&mut self, bytes: &[u8]) -> String {
        let (to_server, _, left) = self.try_say(bytes).expect("a client may say so");
        assert_eq!(left, 0, "all of it is taken");
        tags(&to_server)
    }

    pub(super) fn try_answer(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut out = Vec::new();
        let mut sink = Sink::new(bytes, &mut out);
        let taken = self
            .relay
            .server_bytes(bytes, &mut self.server, &mut sink)?;
        let tail = sink.finish();
        out.extend_from_slice(tail);
        assert_eq!(taken, bytes.len(), "all of it is taken");
        Ok(out)
    }

    /// What the server says comes to the client as these messages.
    pub(super) fn answer(&mut self, bytes: &[u8]) -> String {
        tags(&self.try_answer(bytes).expect("a server may say so"))
    }
}

/// The first bytes of all messages.
pub(super) fn tags(mut bytes: &[u8]) -> String {
    let mut tags = String::new();
    while let Some(header) = frame::header(bytes).expect("a message") {
        tags.push(char::from(header.tag));
        bytes = &bytes[header.len..];
    }
    tags
}

/// Messages of a server: `1`, `2`, `3`, `n`, `C tag`, `E state`, `Z status`, `G`, one after another.
pub(super) fn server(messages: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        let (tag, rest) = message.split_at(1);
        let rest = rest.trim_start();
        let body = match tag {
            "C" => format!("{rest}\0"),
            "E" => format!("SERROR\0C{rest}\0Mit failed\0\0"),
            "S" => format!("{}\0", rest.replace('=', "\0")),
            "G" => "\0\0\0".to_owned(),
            _ => rest.to_owned(),
        };
        out.extend_from_slice(tag.as_bytes());
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body.as_bytes());
    }
    out
}
