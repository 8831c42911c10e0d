//! One client's conversation with its server connection, as a plain state machine.
//!
//! ```text
//!   client bytes ── client_bytes ──▶ bytes for the server
//!                      │   ▲
//!               expected answers, parameters, statements
//!                      ▼   │
//!   bytes for the client ◀── server_bytes ── server bytes
//! ```
//!
//! It does no input or output and never waits. Messages are passed on as the bytes they came in;
//! only what a pool has to change (names of statements) is written anew.

mod client;
mod expected;
mod placing;
mod extended;
mod server;
mod sink;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod world;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;
use pgmoor_wire::backend::TransactionStatus;
use pgmoor_wire::frontend;

use crate::parameters::{Opening, Parameters, SessionParameters};
use crate::settings::{PoolMode, SessionState};
use crate::sql::{Effect, Effects, PinReason};
use crate::statements::Statement;
pub(crate) use client::ClientSide;
use expected::{Kind, Queue};
pub(crate) use sink::Sink;

/// Answers that a server connection may owe before its client has to wait. A server holds back no
/// more than fit into its 8 KiB of output.
const MAX_EXPECTED: usize = 8192;

/// What the gateway knows of a server connection, whoever uses it.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) status: TransactionStatus,
    /// The parameters that the server reports, as last reported.
    pub(crate) reported: Vec<(Box<str>, Box<str>)>,
    /// What it was opened with.
    pub(crate) opened_with: Opening,
    /// The parameters that it was opened with, or that clients have set on it.
    pub(crate) applied: Parameters,
    /// The statements that are prepared on it, least recently used first to go. Unbounded by
    /// itself: one that leaves has to be closed on the server too.
    prepared: LruCache<u64, ()>,
    /// How many it may hold.
    statements: NonZeroUsize,
    /// The statement that its unnamed one is.
    unnamed: Option<u64>,
    /// There may be state that only `DISCARD ALL` clears.
    pub(crate) dirty: bool,
    /// Its answers cannot be counted for certain: nobody may have it after this client.
    pub(crate) unprovable: bool,
    /// It has said that it goes away, at a time when nobody had asked it anything.
    pub(crate) leaves: bool,
}

impl ServerState {
    /// A fresh connection that reported `reported` at its start.
    pub(crate) fn new(
        reported: impl IntoIterator<Item = (String, String)>,
        statements: NonZeroUsize,
        opened_with: Opening,
    ) -> Self {
        Self {
            status: TransactionStatus::Idle,
            reported: reported
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            applied: opened_with.clone().unwrap_or_default(),
            opened_with,
            prepared: LruCache::unbounded(),
            statements,
            unnamed: None,
            dirty: false,
            leaves: false,
            unprovable: false,
        }
    }

    /// How many statements are prepared on it by a name of ours.
    pub(crate) fn prepared_statements(&self) -> usize {
        self.prepared.len()
    }

    /// Forgets what `DISCARD ALL` has cleared.
    pub(crate) fn discarded(&mut self) {
        self.applied = self.opened_with.clone().unwrap_or_default();
        self.prepared.clear();
        self.unnamed = None;
        self.dirty = false;
    }

    fn reports(&self, name: &str) -> bool {
        self.reported
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    pub(crate) fn report(&mut self, name: &str, value: &str) {
        match self.reported.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.reported.push((name.into(), value.into())),
        }
    }
}

/// A message that a client must not send: the session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("invalid message from the client: {0}")]
    Malformed(String),
    #[error("unexpected message {:?} from the client", char::from(*.0))]
    Unexpected(u8),
    #[error("message {:?} from the client during COPY FROM STDIN", char::from(*.0))]
    DuringCopy(u8),
    #[error("message {:?} of {length} bytes exceeds the limit of {limit} bytes", char::from(*.tag))]
    TooLong {
        tag: u8,
        length: usize,
        limit: usize,
    },
}

/// A message that a server must not send: its connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("invalid message from the server: {0}")]
    Malformed(String),
    #[error("message {:?} from the server answers nothing that was asked", char::from(*.0))]
    OutOfStep(u8),
    /// The whole ErrorResponse body of the server.
    #[error("the server refused the session's parameters")]
    Parameters(Vec<u8>),
}

/// Whether the client has more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    /// The client said goodbye.
    Terminated,
}

/// What happened since it was last asked, for the statistics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) queries: u32,
    pub(crate) transactions: u32,
    /// The SQLSTATE class of each error.
    pub(crate) errors: Vec<[u8; 2]>,
    /// Named statements: prepared by the client, prepared on a server, bound, closed to make room.
    pub(crate) client_parses: u32,
    pub(crate) server_parses: u32,
    pub(crate) binds: u32,
    pub(crate) evictions: u32,
    /// Things were altered or dropped that statements may speak of.
    pub(crate) changed_schema: bool,
    /// The session keeps its server connection from now on.
    pub(crate) pinned: Option<PinReason>,
}

/// The rest of a message that is being passed through in pieces.
#[derive(Debug, Default, Clone, Copy)]
struct Rest {
    bytes: usize,
    forward: bool,
}

/// A portal whose statement leaves something behind when it runs.
#[derive(Debug)]
struct Portal {
    name: Box<[u8]>,
    effects: Effects,
    /// What runs deallocates a statement of ours in place of the one that the client named.
    deallocates_gone: bool,
}

/// A named statement or none: most sessions have neither.
type Statements = HashMap<Box<[u8]>, Rc<Statement>>;

/// The conversation.
#[derive(Debug)]
pub(crate) struct Relay {
    mode: PoolMode,
    session_state: SessionState,
    parameters: SessionParameters,
    statements: Option<Box<Statements>>,
    unnamed: Option<Rc<Statement>>,
    expected: Queue,
    /// The portals of this transaction whose statements leave something behind.
    portals: Vec<Portal>,
    pinned: Option<PinReason>,
    /// There may be statements on the server that no Parse of the client's made.
    prepares_by_sql: bool,
    client_rest: Rest,
    server_rest: Rest,
    /// An error came: the server ignores everything up to the next Sync, and so do we.
    skip_to_sync: bool,
    /// Extended-protocol messages were sent that no Sync has ended.
    unsynced: bool,
    copy_in: bool,
    /// Syncs that the server swallowed as part of the COPY FROM STDIN that runs.
    swallowed_syncs: bool,
    /// It failed, perhaps before the server read them: each may have an answer after all. What is
    /// sent behind the next Sync shows it.
    doubtful: bool,
    /// A COPY was ended before the server said that it began.
    ended_ahead: bool,
    /// The client's next message waits for the answers that are owed.
    waiting: bool,
    /// Nobody can tell any more which answer belongs to which message.
    lost_count: bool,
    /// The server connection lost parameters that this session has.
    drifted: bool,
    /// Since the last ReadyForQuery: an error, a COMMIT, a ROLLBACK.
    failed: bool,
    committed: bool,
    rolled_back: bool,
    server_said_farewell: bool,
    /// The server was asked for the answers that it holds back.
    hurried: bool,
    /// A statement failed that the server had prepared before, perhaps for what has changed since.
    doubts_statements: bool,
    /// In session mode: the client ran RESET or DISCARD ALL.
    was_reset: bool,
    tally: Tally,
}

impl Relay {
    pub(crate) fn new(mode: PoolMode, session_state: SessionState, startup: Parameters) -> Self {
        Self {
            mode,
            session_state,
            parameters: SessionParameters::new(startup),
            statements: None,
            unnamed: None,
            expected: Queue::default(),
            portals: Vec::new(),
            pinned: None,
            prepares_by_sql: false,
            client_rest: Rest::default(),
            server_rest: Rest::default(),
            skip_to_sync: false,
            unsynced: false,
            copy_in: false,
            swallowed_syncs: false,
            doubtful: false,
            ended_ahead: false,
            waiting: false,
            lost_count: false,
            drifted: false,
            failed: false,
            committed: false,
            rolled_back: false,
            server_said_farewell: false,
            hurried: false,
            doubts_statements: false,
            was_reset: false,
            tally: Tally::default(),
        }
    }

    /// Begins to use a server connection: appends to `out` what gives it this session's parameters.
    pub(crate) fn attach(
        &mut self,
        server: &mut ServerState,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        if let Some(sql) = server.applied.changes_to(self.parameters.current()) {
            frontend::write_query(out, &sql).map_err(|e| Violation::Malformed(e.to_string()))?;
            self.expected.push(Kind::OwnQuery);
            server.unnamed = None;
        }
        server.applied = self.parameters.current().clone();
        self.drifted = false;
        Ok(())
    }

    /// Gives a session-mode client that has reset its session back what it asked for at its start
    /// and its server connection was not opened with: to the server, a setting like all others.
    #[inline]
    pub(crate) fn restore(
        &mut self,
        server: &mut ServerState,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        if !self.was_reset
            || !self.is_resettable(server)
            || server.status != TransactionStatus::Idle
        {
            return Ok(());
        }
        self.was_reset = false;
        if let Some(sql) = self.parameters.current().restored(&server.opened_with) {
            frontend::write_query(out, &sql).map_err(|e| Violation::Malformed(e.to_string()))?;
            self.expected.push(Kind::OwnQuery);
        }
        Ok(())
    }

    /// So many answers are owed that no more questions are taken before some have come.
    #[inline]
    pub(crate) fn is_overloaded(&self) -> bool {
        self.expected.len() >= MAX_EXPECTED && self.client_rest.bytes == 0 && !self.copy_in
    }

    /// Has the server send what it holds back: answers of our own wait for their turn behind it,
    /// and the client is not asked for more while they do.
    pub(crate) fn hurry(&mut self, to_server: &mut Sink<'_, '_>) {
        if self.is_overloaded() && !std::mem::replace(&mut self.hurried, true) {
            frontend::write_flush(to_server.insert());
        }
    }

    /// The server connection may go back to its pool now.
    #[inline]
    pub(crate) fn is_releasable(&self, server: &ServerState) -> bool {
        self.mode == PoolMode::Transaction
            && self.pinned.is_none()
            && !self.unsynced
            && !self.waiting
            && self.is_quiet(server)
            && server.status == TransactionStatus::Idle
    }

    /// Nothing is under way: every question has its whole answer.
    pub(crate) fn is_quiet(&self, server: &ServerState) -> bool {
        self.expected.is_empty()
            && self.client_rest.bytes == 0
            && self.server_rest.bytes == 0
            && !self.skip_to_sync
            && !self.copy_in
            && !server.unprovable
    }

    /// The server connection can be reset and given to somebody else after this client left.
    pub(crate) fn is_resettable(&self, server: &ServerState) -> bool {
        self.is_quiet(server) && !self.unsynced
    }

    /// The server connection goes back to its pool. The next one is begun with [`Relay::attach`].
    pub(crate) fn detach(&mut self) {
        self.portals.clear();
        self.expected.shrink();
    }

    /// A part of a message has gone to the client, the rest has not come yet.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.server_rest.bytes > 0 && self.server_rest.forward
    }

    /// The server has told the client itself that the connection ends.
    pub(crate) fn server_said_farewell(&self) -> bool {
        self.server_said_farewell
    }

    /// Something is asked of the server that it has not answered.
    pub(crate) fn is_owed_answers(&self) -> bool {
        !self.expected.is_empty()
    }

    /// The client's next message cannot be taken before more answers came.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting && !self.expected.is_empty() && !self.skip_to_sync && self.can_wait()
    }

    /// Whether waiting for answers makes anything certain.
    fn can_wait(&self) -> bool {
        !self.copy_in && !self.lost_count
    }

    /// Whether the client's next message, which had to wait, can be taken now.
    pub(crate) fn resumes(&mut self) -> bool {
        let resumes = self.waiting && !self.is_waiting();
        self.waiting &= !resumes;
        resumes
    }

    /// How many named statements the client holds.
    pub(crate) fn statements(&self) -> usize {
        self.statements.as_ref().map_or(0, |known| known.len())
    }

    /// Takes what happened since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// From now on the session keeps its server connection, which is reset before another has it.
    fn pin(&mut self, server: &mut ServerState, reason: PinReason) {
        server.dirty = true;
        self.prepares_by_sql |= reason == PinReason::Prepare;
        if self.mode == PoolMode::Transaction && self.pinned.is_none() {
            self.pinned = Some(reason);
            self.tally.pinned = Some(reason);
        }
    }

    /// Nobody can tell any more which answer belongs to which message.
    fn lose_count(&mut self, server: &mut ServerState) {
        server.unprovable = true;
        self.lost_count = true;
        self.pin(server, PinReason::Unprovable);
    }

    /// A statement succeeded.
    fn succeeded(&mut self, server: &mut ServerState, effects: &Effects) {
        for effect in &effects.list {
            match effect {
                Effect::DiscardAll => {
                    self.parameters.discard();
                    self.statements = None;
                    server.discarded();
                    if !server.unprovable {
                        self.pinned = None;
                    }
                }
                Effect::DeallocateAll => {
                    self.statements = None;
                    server.prepared.clear();
                }
                Effect::Deallocate { name } => {
                    if let Some(statements) = self.statements.as_mut() {
                        statements.remove(name.as_bytes());
                    }
                }
                _ => self
                    .parameters
                    .succeeded(effect, |name| server.reports(name)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
