//! A session that speaks PostgreSQL's messages itself: simple queries, copies whose rows pass through as they are, and
//! messages one by one for whoever speaks the replication protocol or sends many statements at once.
//!
//! ```no_run
//! # async fn example(connector: &pgmoor::Connector) -> Result<(), pgmoor_ops::wire_session::WireError> {
//! use std::time::Duration;
//! use pgmoor_ops::wire_session::WireSession;
//! use tokio::time::Instant;
//!
//! let deadline = Instant::now() + Duration::from_secs(10);
//! let mut from = WireSession::open(connector, "old", None, &[], deadline).await?;
//! let mut to = WireSession::open(connector, "new", None, &[], deadline).await?;
//! let mut rows = from.copy_out("copy runs to stdout (format binary)").await?;
//! let mut into = to.copy_in("copy runs_too from stdin (format binary)").await?;
//! while let Some(run) = rows.next().await? {
//!     into.write(&run).await?;
//! }
//! into.finish().await?;
//! # Ok(())
//! # }
//! ```
//!
//! An exchange (a query, a copy) that is dropped in its middle leaves the session of no further use: it then says
//! [`WireError::Unfinished`]. It has no cache, no pipelining of its own and no types: values are text.

mod error;
mod inbox;
mod rows;

mod messages;

mod copy_in;
mod copy_out;

use std::fmt;
use std::io;
use std::time::Duration;

use pgmoor::connector::{CancelTarget, Connector, Login};
use pgmoor::stream::Stream;
use pgmoor_wire::backend::{CommandComplete, DataRow, TransactionStatus};
use pgmoor_wire::{frontend, tag};
use tokio::time::{Instant, timeout};

pub use copy_in::CopyIn;
pub use copy_out::{CopyOut, Piece, Pieces, Run};
pub use error::{ServerError, WireError};
use inbox::Inbox;
pub use messages::Message;
pub use rows::{Answer, Row};

/// How long a server may be silent, or take nothing, unless [`WireSession::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to note that something is to be cancelled, or that a session ends.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The largest message that is taken as a whole, in bytes, and the most that a query may give.
const LARGEST: usize = 64 * 1024 * 1024;

/// A session at a server. It ends when it is dropped, and with it what it ran.
pub struct WireSession {
    stream: Stream,
    inbox: Inbox,
    patience: Duration,
    largest: usize,
    status: TransactionStatus,
    is_busy: bool,
    parameters: Vec<(String, String)>,
    cancel: CancelTarget,
    /// As PostgreSQL counts: `150004` is 15.4; 0 when it is not told.
    pub server_version: u32,
    /// As whom it runs.
    pub user: String,
    /// The database it is on.
    pub database: String,
    /// Host and address, for people.
    pub server: String,
    /// The server process.
    pub pid: Option<i32>,
}

impl WireSession {
    /// Opens a session by `connector`, which people know as `name`, on its own database unless another is given.
    /// `parameters` are startup parameters, `replication=database` for one.
    ///
    /// # Errors
    /// [`WireError::Connect`].
    pub async fn open(
        connector: &Connector,
        name: &str,
        database: Option<&str>,
        parameters: &[(String, String)],
        deadline: Instant,
    ) -> Result<Self, WireError> {
        let connecting = connector.connect(Login::Endpoint, database, parameters, deadline);
        let connection = connecting.await.map_err(|source| WireError::Connect {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            stream: connection.stream,
            inbox: Inbox::new(&connection.leftover),
            patience: PATIENCE,
            largest: LARGEST,
            status: TransactionStatus::Idle,
            is_busy: false,
            parameters: connection.parameters,
            cancel: connection.cancel,
            server_version: connection.server_version,
            user: connection.user,
            database: connection.database,
            server: connection.server,
            pid: connection.key.as_ref().map(|(pid, _)| *pid),
        })
    }

    /// Sets how long the server may be silent, or take nothing, before it is given up; 60 seconds at first.
    pub fn patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sets how many bytes a message may have that is taken as a whole; 64 MiB at first. Rows that are copied
    /// have no such limit.
    pub fn largest_message(&mut self, bytes: usize) {
        self.largest = bytes;
    }

    /// The major version of the server.
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }

    /// A setting that the server reports, as it is now.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Where the session stood when the server was ready last.
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// What cancels what runs here.
    pub fn cancel_target(&self) -> CancelTarget {
        self.cancel.clone()
    }

    /// Runs `sql`, which may be several statements, and gives what each gave, values as text.
    ///
    /// Where the server says nothing for too long, it is asked to cancel what runs.
    ///
    /// # Errors
    /// [`WireError`]; after [`WireError::Server`] the session is ready for the next.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Answer>, WireError> {
        self.begin(sql).await?;
        let outcome = self.answers().await;
        if let Err(WireError::Timeout { .. }) = outcome {
            let _ = self.cancel.cancel(Instant::now() + LAST_WORD).await;
        }
        outcome
    }

    /// [`query`](Self::query), that waits at most `limit` for each part of the answer.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_within(
        &mut self,
        limit: Duration,
        sql: &str,
    ) -> Result<Vec<Answer>, WireError> {
        let usual = std::mem::replace(&mut self.patience, limit);
        let outcome = self.query(sql).await;
        self.patience = usual;
        outcome
    }

    /// Runs `sql` and gives the rows of its last statement.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        let last = self.query(sql).await?.pop();
        Ok(last.map(|answer| answer.rows).unwrap_or_default())
    }

    /// Runs `sql` and gives the first row of its last statement; an empty row when there is none.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn row(&mut self, sql: &str) -> Result<Row, WireError> {
        let rows = self.rows(sql).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    async fn answers(&mut self) -> Result<Vec<Answer>, WireError> {
        let (mut answers, mut answer, mut refusal) = (Vec::new(), Answer::default(), None);
        let mut kept = 0;
        loop {
            let message = self.next_message().await?;
            match message.tag {
                tag::DATA_ROW => {
                    kept += message.body.len();
                    let row = DataRow::decode(message.body);
                    let row = row.map(|row| Row(row.values().map(|v| v.map(Vec::from)).collect()));
                    answer.rows.push(self.decoded(row)?);
                    if kept > LARGEST {
                        return Err(self.too_long(kept, LARGEST));
                    }
                }
                tag::COMMAND_COMPLETE => {
                    let done = CommandComplete::decode(message.body);
                    let tag = done.map(|done| String::from_utf8_lossy(done.tag).into_owned());
                    answer.tag = self.decoded(tag)?;
                    answers.push(std::mem::take(&mut answer));
                }
                tag::EMPTY_QUERY_RESPONSE => answers.push(std::mem::take(&mut answer)),
                tag::ERROR_RESPONSE => {
                    let error = ServerError::read(message.body);
                    if error.is_fatal() {
                        return Err(refused(error));
                    }
                    refusal = Some(error);
                }
                tag::READY_FOR_QUERY => {
                    self.is_busy = false;
                    return refusal.map_or(Ok(answers), |error| Err(refused(error)));
                }
                tag::ROW_DESCRIPTION => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Begins a copy of rows from the server: `sql` is a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, WireError> {
        self.begin(sql).await?;
        let is_binary = self.copy_begins(tag::COPY_OUT_RESPONSE).await?;
        Ok(CopyOut::new(self, is_binary))
    }

    /// Begins a copy of rows to the server: `sql` is a `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, WireError> {
        self.begin(sql).await?;
        self.copy_begins(tag::COPY_IN_RESPONSE).await?;
        Ok(CopyIn::new(self))
    }

    /// Begins a copy in both directions: `sql` is a `START_REPLICATION`. From here on the session is spoken to by
    /// [`send`](Self::send) and [`next_message`](Self::next_message).
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn start_copy_both(&mut self, sql: &str) -> Result<(), WireError> {
        self.begin(sql).await?;
        self.copy_begins(tag::COPY_BOTH_RESPONSE).await.map(drop)
    }

    /// Waits until a copy begins, and tells whether it is in binary form.
    async fn copy_begins(&mut self, wanted: u8) -> Result<bool, WireError> {
        let message = self.next_message().await?;
        match message.tag {
            found if found == wanted => Ok(message.body.first() == Some(&1)),
            tag::ERROR_RESPONSE => {
                let error = ServerError::read(message.body);
                self.until_ready().await?;
                Err(refused(error))
            }
            other => Err(self.unexpected(other)),
        }
    }

    /// Waits until the server is ready for the next query, and gives the tag of the last command that it completed.
    async fn until_ready(&mut self) -> Result<String, WireError> {
        let (mut tag, mut refusal) = (String::new(), None);
        loop {
            let message = self.next_message().await?;
            match message.tag {
                tag::COMMAND_COMPLETE => {
                    let done = CommandComplete::decode(message.body);
                    let text = done.map(|done| String::from_utf8_lossy(done.tag).into_owned());
                    tag = self.decoded(text)?;
                }
                tag::ERROR_RESPONSE => {
                    let error = ServerError::read(message.body);
                    if error.is_fatal() {
                        return Err(refused(error));
                    }
                    refusal = Some(error);
                }
                tag::READY_FOR_QUERY => {
                    self.is_busy = false;
                    return refusal.map_or(Ok(tag), |error| Err(refused(error)));
                }
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Sends a query, unless an earlier exchange was given up.
    async fn begin(&mut self, sql: &str) -> Result<(), WireError> {
        if self.is_busy {
            let server = self.server.clone();
            return Err(WireError::Unfinished { server });
        }
        let mut query = Vec::with_capacity(sql.len() + 6);
        frontend::write_query(&mut query, sql)?;
        self.is_busy = true;
        self.send(&query).await
    }

    /// Says goodbye and waits for a moment until that is sent.
    pub async fn close(mut self) {
        let mut goodbye = Vec::new();
        frontend::write_terminate(&mut goodbye);
        let _ = timeout(LAST_WORD, self.send(&goodbye)).await;
        let _ = timeout(LAST_WORD, self.stream.shutdown()).await;
    }

    fn decoded<T>(&self, outcome: Result<T, pgmoor_wire::DecodeError>) -> Result<T, WireError> {
        outcome.map_err(|error| WireError::decode(&self.server, error))
    }

    fn lost(&self, source: io::Error) -> WireError {
        let server = self.server.clone();
        WireError::Lost { server, source }
    }

    fn timed_out(&self) -> WireError {
        let (server, waited) = (self.server.clone(), self.patience);
        WireError::Timeout { server, waited }
    }

    fn too_long(&self, bytes: usize, limit: usize) -> WireError {
        let server = self.server.clone();
        WireError::TooLong {
            server,
            bytes,
            limit,
        }
    }

    fn unexpected(&self, tag: u8) -> WireError {
        let problem = format!("a message {:?} comes at no such point", char::from(tag));
        let server = self.server.clone();
        WireError::Protocol { server, problem }
    }
}

fn refused(error: ServerError) -> WireError {
    WireError::Server(Box::new(error))
}

impl fmt::Debug for WireSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireSession")
            .field("server", &self.server)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
