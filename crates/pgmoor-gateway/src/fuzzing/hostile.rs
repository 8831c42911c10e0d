//! Two peers that send anything: nothing panics, nothing piles up, and where the bytes are split
//! makes no difference.

use std::num::NonZeroUsize;

use pgmoor_wire::frame;

use crate::parameters::Parameters;
use crate::relay::{ClientSide, Flow, Relay, ServerState, Sink};
use crate::settings::{PoolMode, SessionState};
use crate::statements::Registry;

/// Bytes of one side that arrive before the other says anything.
struct Burst {
    of_client: bool,
    bytes: Vec<u8>,
}

/// Bodies that a client's messages have, by tag.
const OF_CLIENT: &[(u8, &[u8])] = &[
    (b'Q', b"select 1\0"),
    (b'Q', b"set timezone to 'UTC'\0"),
    (b'Q', b"discard all\0"),
    (b'Q', b"deallocate a\0"),
    (b'Q', b"listen x\0"),
    (b'P', b"\0select 1\0\0\0"),
    (b'P', b"a\0select 1\0\0\0"),
    (b'P', b"b\0deallocate a\0\0\0"),
    (b'P', b"\0deallocate a\0\0\0"),
    (b'B', b"\0\0\0\0\0\0\0\0"),
    (b'B', b"\0a\0\0\0\0\0\0\0"),
    (b'B', b"p\0b\0\0\0\0\0\0\0"),
    (b'D', b"Sa\0"),
    (b'D', b"P\0"),
    (b'E', b"\0\0\0\0\0"),
    (b'E', b"p\0\0\0\0\0"),
    (b'C', b"Sa\0"),
    (b'C', b"S\0"),
    (b'C', b"Pp\0"),
    (b'S', b""),
    (b'S', b""),
    (b'H', b""),
    (b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
    (b'd', b"1\n"),
    (b'c', b""),
    (b'f', b"no\0"),
];

/// Bodies that a server's messages have, by tag.
const OF_SERVER: &[(u8, &[u8])] = &[
    (b'1', b""),
    (b'2', b""),
    (b'3', b""),
    (b'n', b""),
    (b's', b""),
    (b'I', b""),
    (b't', b"\0\0"),
    (b'T', b"\0\0"),
    (b'D', b"\0\x01\0\0\0\x011"),
    (b'C', b"SELECT 1\0"),
    (b'C', b"COMMIT\0"),
    (b'C', b"ROLLBACK\0"),
    (b'C', b"DISCARD ALL\0"),
    (b'Z', b"I"),
    (b'Z', b"I"),
    (b'Z', b"T"),
    (b'Z', b"E"),
    (b'E', b"SERROR\0C42601\0Mno\0\0"),
    (b'E', b"SERROR\0C26000\0Mno\0\0"),
    (b'E', b"SFATAL\0VFATAL\0C57P01\0Mno\0\0"),
    (b'N', b"SNOTICE\0C00000\0Mno\0\0"),
    (b'S', b"TimeZone\0UTC\0"),
    (b'S', b"TimeZone\0Asia/Tokyo\0"),
    (b'A', b"\0\0\0\x01x\0\0"),
    (b'G', b"\0\0\0"),
    (b'H', b"\0\0\0"),
    (b'W', b"\0\0\0"),
    (b'd', b"1\n"),
    (b'c', b""),
    (b'V', b"\0\0\0\0"),
];

/// The first byte says how the pool is set; then come bursts: messages from the tables, messages
/// with any tag and body, or any bytes.
///
/// # Panics
///
/// When something does not hold.
pub fn relay_hostile(data: &[u8]) {
    let Some((&setting, rest)) = data.split_first() else {
        return;
    };
    let bursts = bursts(rest);
    let mut whole = Line::new(setting);
    let mut bytewise = Line::new(setting);
    let mut said = 0;
    for burst in &bursts {
        said += burst.bytes.len();
        let before = whole.told;
        // An answer that lets the client go on may come before or behind what it says next.
        let piece = match whole.relay.is_waiting() {
            true => burst.bytes.len(),
            false => 1,
        };
        let one = whole.take(burst, burst.bytes.len());
        let other = bytewise.take(burst, piece);
        assert_eq!(one, other, "after {before:?}");
        if one != Ok(Flow::More) {
            return;
        }
        assert_eq!(whole.told, bytewise.told);
        assert_eq!(normal(&whole.to_server), normal(&bytewise.to_server));
        assert_eq!(normal(&whole.to_client), normal(&bytewise.to_client));
        // A message has five bytes at least, an answer of our own less than this.
        assert!(whole.to_client.len() <= 100 * said, "answers pile up");
        whole.release_if_done();
        bytewise.release_if_done();
    }
}

fn bursts(mut data: &[u8]) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    while let [how, what, rest @ ..] = data {
        let of_client = how & 1 == 0;
        let mut bytes = Vec::new();
        data = rest;
        if how & 6 == 0 {
            let (raw, rest) = data.split_at(data.len().min(usize::from(how >> 3)));
            bytes.push(*what);
            bytes.extend_from_slice(raw);
            data = rest;
        } else if how & 6 == 2 {
            let (body, rest) = data.split_at(data.len().min(usize::from(how >> 3)));
            message(*what, body, &mut bytes);
            data = rest;
        } else {
            let known = if of_client { OF_CLIENT } else { OF_SERVER };
            let (tag, body) = known[usize::from(*what) % known.len()];
            message(tag, body, &mut bytes);
        }
        match bursts.last_mut() {
            // Pipelined, or with what the other side says in between.
            Some(last) if last.of_client == of_client && how & 128 == 0 => {
                last.bytes.append(&mut bytes)
            }
            _ => bursts.push(Burst { of_client, bytes }),
        }
    }
    bursts
}

fn message(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

/// A relay between the two, and all that went through it.
struct Line {
    relay: Relay,
    server: ServerState,
    registry: Registry,
    fresh: bool,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// What the relay says of itself.
    told: [bool; 7],
}

fn server() -> ServerState {
    let reported = [("TimeZone".to_owned(), "UTC".to_owned())];
    ServerState::new(reported, NonZeroUsize::new(2).expect("not zero"), None)
}

impl Line {
    fn new(setting: u8) -> Self {
        let mode = match setting & 3 {
            0 => PoolMode::Session,
            _ => PoolMode::Transaction,
        };
        let state = match setting & 4 {
            0 => SessionState::Pin,
            _ => SessionState::Refuse,
        };
        let startup = match setting & 8 {
            0 => Parameters::default(),
            _ => Parameters::from_startup([("TimeZone", "Asia/Tokyo"), ("lock_timeout", "2")]),
        };
        Self {
            relay: Relay::new(mode, state, startup),
            server: server(),
            registry: Registry::default(),
            fresh: true,
            from_client: Vec::new(),
            from_server: Vec::new(),
            to_client: Vec::new(),
            to_server: Vec::new(),
            told: [false; 7],
        }
    }

    /// Gives the burst in pieces of at most this length.
    fn take(&mut self, burst: &Burst, piece: usize) -> Result<Flow, String> {
        let mut flow = Flow::More;
        for bytes in burst.bytes.chunks(piece.max(1)) {
            if burst.of_client {
                self.from_client.extend_from_slice(bytes);
                if !self.relay.is_waiting() {
                    flow = self.take_from_client()?;
                }
            } else {
                self.from_server.extend_from_slice(bytes);
                flow = self.take_from_server()?;
            }
            if flow == Flow::Terminated {
                break;
            }
        }
        self.told = [
            self.relay.is_releasable(&self.server),
            self.relay.is_resettable(&self.server),
            self.relay.is_mid_message(),
            self.relay.server_said_farewell(),
            self.relay.is_owed_answers(),
            self.relay.is_waiting(),
            self.server.unprovable || self.server.dirty || self.server.leaves,
        ];
        Ok(flow)
    }

    /// As the session does it.
    fn take_from_client(&mut self) -> Result<Flow, String> {
        let input = std::mem::take(&mut self.from_client);
        if self.fresh && !self.relay.has_message(&input).map_err(told)? {
            self.from_client = input;
            return Ok(Flow::More);
        }
        let out = &mut self.to_server;
        let begun = match std::mem::take(&mut self.fresh) {
            true => self.relay.attach(&mut self.server, out),
            false => self.relay.restore(&mut self.server, out),
        };
        begun.map_err(told)?;
        let mut sink = Sink::new(&input, out);
        let mut side = ClientSide {
            server: &mut self.server,
            registry: &mut self.registry,
            to_server: &mut sink,
            to_client: &mut self.to_client,
        };
        let (taken, flow) = self.relay.client_bytes(&input, &mut side).map_err(told)?;
        let tail = sink.finish();
        self.to_server.extend_from_slice(tail);
        self.from_client = input[taken..].to_vec();
        let left = flow == Flow::More && self.relay.has_message(&self.from_client) == Ok(true);
        assert!(!left || self.relay.is_waiting(), "a message is not taken");
        Ok(flow)
    }

    fn take_from_server(&mut self) -> Result<Flow, String> {
        let input = std::mem::take(&mut self.from_server);
        let mut sink = Sink::new(&input, &mut self.to_client);
        let taken = self
            .relay
            .server_bytes(&input, &mut self.server, &mut sink)
            .map_err(told)?;
        let tail = sink.finish();
        self.to_client.extend_from_slice(tail);
        self.from_server = input[taken..].to_vec();
        match self.relay.resumes() {
            true => self.take_from_client(),
            false => Ok(Flow::More),
        }
    }

    /// Another server connection for the next transaction, as good as new.
    fn release_if_done(&mut self) {
        if !self.relay.is_releasable(&self.server) || !self.from_server.is_empty() {
            return;
        }
        assert!(!self.relay.is_owed_answers() && !self.server.unprovable);
        self.relay.detach();
        self.server = server();
        self.fresh = true;
    }
}

fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// Messages as tags and bodies, with the numbers in the names of our statements counted anew:
/// they differ between two runs, and so does the length of a message with one.
fn normal(stream: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut numbers = Vec::new();
    let mut messages = Vec::new();
    let mut rest = stream;
    while let Ok(Some(header)) = frame::header(rest) {
        let (message, behind) = rest.split_at(header.len.min(rest.len()));
        messages.push((
            header.tag,
            renumbered(&message[frame::HEADER..], &mut numbers),
        ));
        rest = behind;
    }
    messages.push((0, rest.to_vec()));
    messages
}

fn renumbered(body: &[u8], numbers: &mut Vec<Vec<u8>>) -> Vec<u8> {
    const PREFIX: &[u8] = crate::statements::NAME_PREFIX;
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(at) = memchr::memmem::find(rest, PREFIX) {
        let (before, name) = rest.split_at(at + PREFIX.len());
        out.extend_from_slice(before);
        let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, behind) = name.split_at(digits);
        if digits > 0 {
            let known = numbers.iter().position(|known| known == number);
            let at = known.unwrap_or_else(|| {
                numbers.push(number.to_vec());
                numbers.len() - 1
            });
            out.extend_from_slice(format!("#{at}").as_bytes());
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out
}
