//! What a PostgreSQL backend does with the messages it gets, as far as a pool can break it.
//!
//! Written from the source of the server (`postgres.c`, `prepare.c`, `copyfromparse.c`), not from
//! ours. Every row carries its text and the session's state, so that another client's answer, or
//! what another client left behind, shows.

use std::collections::HashMap;

use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus as Status};
use pgmoor_wire::sqlstate::{self, SqlState};
use pgmoor_wire::{frame, frontend, tag};

use super::sql::{Command, commands};

/// A text with its parameter types, as a Parse message carries it.
type Definition = Vec<u8>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    lock_timeout: String,
    time_zone: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_timeout: "0".into(),
            time_zone: "UTC".into(),
        }
    }
}

struct Failure(SqlState, String);

fn fail<T>(state: SqlState, text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(state, text.into()))
}

/// One backend.
pub(crate) struct Backend {
    statements: HashMap<Vec<u8>, Definition>,
    unnamed: Option<Definition>,
    portals: HashMap<Vec<u8>, Definition>,
    pub(crate) status: Status,
    /// What the settings were when the transaction began; there is one when something ran.
    before: Option<Settings>,
    settings: Settings,
    reported: String,
    temporary: bool,
    skips: bool,
    /// A COPY FROM STDIN runs, by the extended protocol or not.
    copies: Option<bool>,
    input: Vec<u8>,
    buffered: Vec<u8>,
    /// What has been sent.
    pub(crate) output: Vec<u8>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self {
            statements: HashMap::new(),
            unnamed: None,
            portals: HashMap::new(),
            status: Status::Idle,
            before: None,
            settings: Settings::default(),
            reported: Settings::default().time_zone,
            temporary: false,
            skips: false,
            copies: None,
            input: Vec::new(),
            buffered: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Whether somebody else may have it: nothing read by halves, nothing said by halves.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.input.is_empty()
            && self.buffered.is_empty()
            && self.output.is_empty()
            && self.before.is_none()
            && self.copies.is_none()
            && !self.skips
            && self.status == Status::Idle
    }

    /// What only `DISCARD ALL` clears.
    pub(crate) fn has_temporary(&self) -> bool {
        self.temporary
    }

    /// As a pool resets a connection.
    pub(crate) fn reset(&mut self) {
        self.end(false);
        self.discard();
        self.unnamed = None;
        self.reported.clone_from(&self.settings.time_zone);
    }

    /// What it has to say and keeps until somebody asks.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.buffered
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some(header) = frame::header(&self.input).expect("a message") {
            if self.input.len() < header.len {
                return;
            }
            let message: Vec<u8> = self.input.drain(..header.len).collect();
            self.message(header.tag, &message[frame::HEADER..]);
        }
    }

    fn flush(&mut self) {
        self.output.append(&mut self.buffered);
    }

    fn message(&mut self, tag: u8, body: &[u8]) {
        if let Some(extended) = self.copies {
            return self.copy_message(extended, tag, body);
        }
        match tag {
            tag::SYNC => {
                self.skips = false;
                if self.status == Status::Idle {
                    self.end(true);
                }
                self.ready();
            }
            _ if self.skips => {}
            tag::FLUSH => self.flush(),
            tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => {}
            tag::QUERY => {
                if let Err(failure) = self.query(body) {
                    self.error(&failure);
                }
                if self.copies.is_none() {
                    if self.status == Status::Idle {
                        self.end(true);
                    }
                    self.ready();
                }
            }
            _ => {
                if let Err(failure) = self.extended(tag, body) {
                    self.error(&failure);
                    self.skips = true;
                }
            }
        }
    }

    fn error(&mut self, failure: &Failure) {
        ErrorFields::error(failure.0, failure.1.clone()).write_error(&mut self.buffered);
        self.flush();
        if self.status == Status::Idle {
            self.end(false);
        } else {
            self.status = Status::Failed;
        }
    }

    fn ready(&mut self) {
        if self.reported != self.settings.time_zone {
            self.reported.clone_from(&self.settings.time_zone);
            backend::write_parameter_status(&mut self.buffered, "TimeZone", &self.reported)
                .expect("short");
        }
        backend::write_ready(&mut self.buffered, self.status);
        self.flush();
    }

    /// The transaction, explicit or not, is over.
    fn end(&mut self, commit: bool) {
        if let Some(before) = self.before.take()
            && !commit
        {
            self.settings = before;
        }
        self.portals.clear();
        self.status = Status::Idle;
    }

    fn discard(&mut self) {
        self.statements.clear();
        self.portals.clear();
        self.settings = Settings::default();
        self.temporary = false;
    }

    fn query(&mut self, body: &[u8]) -> Result<(), Failure> {
        self.unnamed = None;
        let list = commands(body.strip_suffix(&[0]).expect("a text"));
        if list.contains(&Command::Nonsense) {
            return fail(sqlstate::SYNTAX_ERROR, "syntax error");
        }
        if list.is_empty() {
            backend::write_empty_query(&mut self.buffered);
        }
        for command in &list {
            self.allowed(command)?;
            if matches!(command, Command::Select(_)) {
                self.describe_row();
            }
            self.run(command, false)?;
        }
        Ok(())
    }

    fn allowed(&self, command: &Command) -> Result<(), Failure> {
        if self.status == Status::Failed && !matches!(command, Command::Commit | Command::Rollback)
        {
            let text =
                "current transaction is aborted, commands ignored until end of transaction block";
            return fail(sqlstate::IN_FAILED_SQL_TRANSACTION, text);
        }
        Ok(())
    }

    fn describe_row(&mut self) {
        backend::write_row_description_text(&mut self.buffered, &["text", "state"]).expect("short");
    }

    fn complete(&mut self, tag: &str) {
        backend::write_command_complete(&mut self.buffered, tag).expect("short");
    }

    fn run(&mut self, command: &Command, extended: bool) -> Result<(), Failure> {
        if self.before.is_none() {
            self.before = Some(self.settings.clone());
        }
        match command {
            Command::Nonsense => unreachable!("refused when it was parsed"),
            Command::Select(text) => {
                let state = format!("{:?} {}", self.settings, self.temporary);
                backend::write_data_row_text(
                    &mut self.buffered,
                    &[Some(text.as_str()), Some(&state)],
                )
                .expect("short");
                self.complete("SELECT 1");
            }
            Command::Fail(text) => return fail(sqlstate::UNDEFINED_TABLE, text.clone()),
            Command::Begin => {
                self.status = Status::InTransaction;
                self.complete("BEGIN");
            }
            Command::Commit => {
                let failed = self.status == Status::Failed;
                self.end(!failed);
                self.complete(if failed { "ROLLBACK" } else { "COMMIT" });
            }
            Command::Rollback => {
                self.end(false);
                self.complete("ROLLBACK");
            }
            Command::Set(name, value) => {
                let place = match name.as_str() {
                    "lock_timeout" => &mut self.settings.lock_timeout,
                    "timezone" => &mut self.settings.time_zone,
                    other => panic!("no setting {other}"),
                };
                place.clone_from(value);
                self.complete("SET");
            }
            Command::Reset(name) => {
                let fresh = Settings::default();
                match name.as_str() {
                    "lock_timeout" => self.settings.lock_timeout = fresh.lock_timeout,
                    "timezone" => self.settings.time_zone = fresh.time_zone,
                    "all" => self.settings = fresh,
                    other => panic!("no setting {other}"),
                }
                self.complete("RESET");
            }
            Command::Temporary => {
                self.temporary = true;
                self.complete("CREATE TABLE");
            }
            Command::DeallocateAll => {
                self.statements.clear();
                self.complete("DEALLOCATE ALL");
            }
            Command::Deallocate(name) => {
                if self.statements.remove(name.as_bytes()).is_none() {
                    return fail(
                        sqlstate::INVALID_SQL_STATEMENT_NAME,
                        missing(name.as_bytes()),
                    );
                }
                self.complete("DEALLOCATE");
            }
            Command::DiscardAll => {
                if self.status != Status::Idle {
                    let text = "DISCARD ALL cannot run inside a transaction block";
                    return fail(sqlstate::ACTIVE_SQL_TRANSACTION, text);
                }
                self.discard();
                self.before = Some(Settings::default());
                self.complete("DISCARD ALL");
            }
            Command::Copy | Command::CopyEarly => {
                // Text format, no columns.
                self.buffered
                    .extend_from_slice(&[tag::COPY_IN_RESPONSE, 0, 0, 0, 7, 0, 0, 0]);
                self.flush();
                if *command == Command::CopyEarly {
                    return fail(sqlstate::QUERY_CANCELED, "statement timeout");
                }
                self.copies = Some(extended);
            }
        }
        Ok(())
    }

    fn copy_message(&mut self, extended: bool, tag: u8, body: &[u8]) {
        let failure = match tag {
            tag::SYNC | tag::FLUSH => return,
            tag::COPY_DATA if !body.starts_with(b"bad") => return,
            tag::COPY_DATA => Failure(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, "bad row".into()),
            tag::COPY_DONE => {
                self.copies = None;
                self.complete("COPY 1");
                if !extended {
                    if self.status == Status::Idle {
                        self.end(true);
                    }
                    self.ready();
                }
                return;
            }
            tag::COPY_FAIL => Failure(sqlstate::QUERY_CANCELED, "COPY from stdin failed".into()),
            _ => Failure(
                sqlstate::PROTOCOL_VIOLATION,
                "unexpected message type".into(),
            ),
        };
        self.copies = None;
        self.error(&failure);
        if extended {
            self.skips = true;
        } else {
            self.ready();
        }
    }

    fn extended(&mut self, tag: u8, body: &[u8]) -> Result<(), Failure> {
        match tag {
            tag::PARSE => self.parse(body),
            tag::BIND => self.bind(body),
            tag::DESCRIBE => self.describe(body),
            tag::EXECUTE => {
                let execute = frontend::Execute::decode(body).expect("Execute");
                let portal = self.portal(execute.portal)?;
                let Some(command) = first(&portal) else {
                    backend::write_empty_query(&mut self.buffered);
                    return Ok(());
                };
                self.allowed(&command)?;
                self.run(&command, true)
            }
            tag::CLOSE => {
                let target = frontend::Target::decode(body).expect("Close");
                match (target.kind, target.name) {
                    (b'S', b"") => self.unnamed = None,
                    (b'S', name) => drop(self.statements.remove(name)),
                    (_, name) => drop(self.portals.remove(name)),
                }
                backend::write_close_complete(&mut self.buffered);
                Ok(())
            }
            other => panic!("message {other}"),
        }
    }

    fn parse(&mut self, body: &[u8]) -> Result<(), Failure> {
        let parse = frontend::Parse::decode(body).expect("Parse");
        let definition = body[parse.name.len() + 1..].to_vec();
        if parse.name.is_empty() {
            self.unnamed = None;
        }
        if let Some(command) = first(&definition) {
            if command == Command::Nonsense {
                return fail(sqlstate::SYNTAX_ERROR, "syntax error");
            }
            self.allowed(&command)?;
        }
        if parse.name.is_empty() {
            self.unnamed = Some(definition);
        } else if self.statements.contains_key(parse.name) {
            let name = String::from_utf8_lossy(parse.name);
            let text = format!("prepared statement \"{name}\" already exists");
            return fail(sqlstate::DUPLICATE_PREPARED_STATEMENT, text);
        } else {
            self.statements.insert(parse.name.to_vec(), definition);
        }
        backend::write_parse_complete(&mut self.buffered);
        Ok(())
    }

    fn statement(&self, name: &[u8]) -> Result<Definition, Failure> {
        let found = match name {
            b"" => self.unnamed.as_ref(),
            name => self.statements.get(name),
        };
        match found {
            Some(definition) => Ok(definition.clone()),
            None => fail(sqlstate::INVALID_SQL_STATEMENT_NAME, missing(name)),
        }
    }

    fn portal(&self, name: &[u8]) -> Result<Definition, Failure> {
        match self.portals.get(name) {
            Some(definition) => Ok(definition.clone()),
            None => fail(
                sqlstate::INVALID_CURSOR_NAME,
                format!(
                    "portal \"{}\" does not exist",
                    String::from_utf8_lossy(name)
                ),
            ),
        }
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Failure> {
        let bind = frontend::Bind::decode(body).expect("Bind");
        let definition = self.statement(bind.statement)?;
        if let Some(command) = first(&definition) {
            self.allowed(&command)?;
        }
        if !bind.portal.is_empty() && self.portals.contains_key(bind.portal) {
            return fail(sqlstate::DUPLICATE_CURSOR, "cursor already exists");
        }
        if self.before.is_none() {
            self.before = Some(self.settings.clone());
        }
        self.portals.insert(bind.portal.to_vec(), definition);
        backend::write_bind_complete(&mut self.buffered);
        Ok(())
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Failure> {
        let target = frontend::Target::decode(body).expect("Describe");
        let definition = match target.kind {
            b'S' => self.statement(target.name)?,
            _ => self.portal(target.name)?,
        };
        let command = first(&definition);
        let rows = matches!(command, Some(Command::Select(_)));
        // A server describes what gives no rows also in a failed transaction. Behind a pool, the
        // statement may have to be prepared anew, which is refused.
        if let Some(command) = &command
            && (rows || target.kind == b'S')
        {
            self.allowed(command)?;
        }
        if target.kind == b'S' {
            self.buffered
                .extend_from_slice(&[tag::PARAMETER_DESCRIPTION, 0, 0, 0, 6, 0, 0]);
        }
        if rows {
            self.describe_row();
        } else {
            backend::write_no_data(&mut self.buffered);
        }
        Ok(())
    }
}

fn first(definition: &[u8]) -> Option<Command> {
    let text = definition.split(|&b| b == 0).next().unwrap_or_default();
    commands(text).into_iter().next()
}

fn missing(name: &[u8]) -> String {
    match name {
        b"" => "unnamed prepared statement does not exist".to_owned(),
        name => format!(
            "prepared statement \"{}\" does not exist",
            String::from_utf8_lossy(name)
        ),
    }
}
