//! The admin database `pgmoor`: PgBouncer's console, in its words and columns.
//!
//! ```text
//!   message ── command (decide) ──▶ run (act) ──▶ show (tables) ──▶ wire
//! ```
//!
//! Simple and extended queries are understood, because drivers use both. No server connection is
//! involved, so it answers when every server is gone.

mod config;
mod sockets;
mod show;
mod command;
mod run;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus};
use pgmoor_wire::{frame, frontend, sqlstate, tag};
use tokio::time::timeout;
use tracing::debug;

use crate::clients::{Client, Doing, Introduction, Order};
use crate::clock::Moment;
use crate::login::Talk;
use crate::table::{Column, int4, text};
use crate::worker::Worker;
use command::{Command, Problem};
use run::{Failed, Reply, unless_ordered};
use wire::Formats;

/// The admin database's name.
pub(crate) const CONSOLE: &str = "pgmoor";

/// No command is longer, in bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// Named statements and portals that one administrator may hold.
const MAX_NAMES: usize = 1_000;
/// How long a last word may take to be sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// The columns of what libraries ask for.
const SETTING: &[Column] = &[text("setting")];
const ONE: &[Column] = &[int4("?column?")];

/// A portal: a command that is ready to run.
#[derive(Debug, Clone)]
struct Portal {
    command: Rc<Command>,
    formats: Formats,
}

/// One administrator or observer.
struct Console {
    worker: Rc<Worker>,
    talk: Talk,
    client: Rc<Client>,
    admin: bool,
    /// The client has said BEGIN.
    in_transaction: bool,
    statements: HashMap<Vec<u8>, Rc<Command>>,
    portals: HashMap<Vec<u8>, Portal>,
    /// An error came: everything up to the next Sync is ignored.
    skip_to_sync: bool,
    out: Vec<u8>,
}

/// Serves a client that has logged in to the admin database.
pub(crate) async fn serve(worker: &Rc<Worker>, talk: Talk, user: &str, admin: bool) {
    let (id, key) = worker.new_key(0);
    let client = Client::new(Introduction {
        id,
        key: key.clone(),
        user: user.into(),
        database: CONSOLE.into(),
        application_name: String::new(),
        peer: *talk.stream.peer(),
        tls: talk
            .stream
            .tls()
            .map(|info| format!("{} {}", info.version, info.cipher)),
    });
    worker.clients.enter(client.clone());
    let mut console = Console {
        worker: worker.clone(),
        talk,
        client,
        admin,
        in_transaction: false,
        statements: HashMap::new(),
        portals: HashMap::new(),
        skip_to_sync: false,
        out: Vec::new(),
    };
    debug!(client_id = id, user, admin, "administrator logged in");
    let ended = match console.welcome(id, &key).await {
        Ok(()) => console.converse().await,
        Err(failed) => failed,
    };
    worker.clients.leave(id);
    console.farewell(ended).await;
}

/// A message of the client.
struct Message {
    tag: u8,
    body: Vec<u8>,
}

impl Console {
    async fn welcome(&mut self, id: u32, key: &[u8]) -> Result<(), Failed> {
        backend::write_auth_ok(&mut self.out);
        for (name, value) in command::PARAMETERS {
            // Both are ours, and short.
            let _ = backend::write_parameter_status(&mut self.out, name, value);
        }
        let _ = backend::write_backend_key(&mut self.out, id.cast_signed(), key);
        self.ready();
        self.flush().await
    }

    /// Answers until the client leaves or has to; gives why.
    async fn converse(&mut self) -> Failed {
        loop {
            let message = match self.next().await {
                Ok(message) => message,
                Err(failed) => return failed,
            };
            self.client.heard.set(Moment::now());
            if message.tag == tag::TERMINATE {
                return Failed::Over(None);
            }
            self.client.runs(Some(Moment::now()));
            self.client.doing.set(Doing::Active);
            let outcome = self.answer(&message).await;
            self.client.runs(None);
            self.client.doing.set(Doing::Idle);
            if let Err(failed @ Failed::Over(_)) = outcome {
                return failed;
            }
            // More may be on its way: what belongs together is sent together.
            let is_last = matches!(message.tag, tag::QUERY | tag::SYNC | tag::FLUSH);
            if is_last && let Err(failed) = self.flush().await {
                return failed;
            }
        }
    }

    async fn next(&mut self) -> Result<Message, Failed> {
        loop {
            let header =
                frame::header(&self.talk.inbox).map_err(|error| broken(error.to_string()))?;
            if let Some(header) = header {
                if header.len > MAX_MESSAGE {
                    return Err(broken(format!(
                        "a message of {} bytes; the admin database takes {MAX_MESSAGE}",
                        header.len
                    )));
                }
                if self.talk.inbox.len() >= header.len {
                    let rest = self.talk.inbox.split_off(header.len);
                    let whole = std::mem::replace(&mut self.talk.inbox, rest);
                    return Ok(Message {
                        tag: header.tag,
                        body: whole[frame::HEADER..].to_vec(),
                    });
                }
            }
            let client = self.client.clone();
            match unless_ordered(&client, self.talk.more()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Failed::Over(None)),
                Err(order) => return Err(Failed::Over(Some(order))),
            }
        }
    }

    async fn answer(&mut self, message: &Message) -> Result<(), Failed> {
        if message.tag == tag::QUERY {
            self.skip_to_sync = false;
            let outcome = self.query(&message.body).await;
            self.settle(outcome)?;
            self.ready();
            return Ok(());
        }
        if message.tag == tag::SYNC {
            self.skip_to_sync = false;
            self.portals.clear();
            self.ready();
            return Ok(());
        }
        if self.skip_to_sync || message.tag == tag::FLUSH {
            return Ok(());
        }
        let outcome = self.extended(message).await;
        self.skip_to_sync = matches!(outcome, Err(Failed::Problem(_)));
        self.settle(outcome)
    }

    /// Tells the client of a problem.
    fn settle(&mut self, outcome: Result<(), Failed>) -> Result<(), Failed> {
        match outcome {
            Err(Failed::Problem(problem)) => {
                let mut fields = ErrorFields::error(problem.sqlstate, problem.message);
                if !problem.detail.is_empty() {
                    fields = fields.detail(problem.detail);
                }
                if !problem.hint.is_empty() {
                    fields = fields.hint(problem.hint);
                }
                fields.write_error(&mut self.out);
                Ok(())
            }
            other => other,
        }
    }

    fn ready(&mut self) {
        let status = if self.in_transaction {
            TransactionStatus::InTransaction
        } else {
            TransactionStatus::Idle
        };
        backend::write_ready(&mut self.out, status);
    }

    async fn query(&mut self, body: &[u8]) -> Result<(), Failed> {
        let query = frontend::Query::decode(body).map_err(|error| broken(error.to_string()))?;
        let text = utf8(query.text)?;
        let commands = command::split(text);
        if commands.is_empty() {
            backend::write_empty_query(&mut self.out);
        }
        for text in commands {
            let command = command::parse(text)?;
            let reply = self.run(&command).await?;
            if let Reply::Table(table) = &reply {
                wire::row_description(&mut self.out, table.columns, &Formats::text());
            }
            self.reply(reply, &Formats::text());
        }
        Ok(())
    }

    /// Rows and what was done, without their description.
    fn reply(&mut self, reply: Reply, formats: &Formats) {
        let tag = match reply {
            Reply::Table(table) => {
                wire::rows(&mut self.out, &table, formats);
                "SHOW"
            }
            Reply::Done(tag) => tag,
            Reply::Empty => return backend::write_empty_query(&mut self.out),
        };
        // Ours, and short.
        let _ = backend::write_command_complete(&mut self.out, tag);
    }

    async fn extended(&mut self, message: &Message) -> Result<(), Failed> {
        let body = &message.body;
        match message.tag {
            tag::PARSE => {
                let parse = frontend::Parse::decode(body).map_err(malformed)?;
                let mut commands = command::split(utf8(parse.query)?).into_iter();
                let command = command::parse(commands.next().unwrap_or_default())?;
                if commands.next().is_some() {
                    return Err(Problem::new(
                        sqlstate::SYNTAX_ERROR,
                        "cannot insert multiple commands into a prepared statement",
                    )
                    .into());
                }
                full(self.statements.len())?;
                self.statements
                    .insert(parse.name.to_vec(), Rc::new(command));
                backend::write_parse_complete(&mut self.out);
            }
            tag::BIND => {
                let bind = frontend::Bind::decode(body).map_err(malformed)?;
                let command = self.statement(bind.statement)?;
                let formats = wire::bind(bind.rest).map_err(malformed)?;
                full(self.portals.len())?;
                let portal = Portal { command, formats };
                self.portals.insert(bind.portal.to_vec(), portal);
                backend::write_bind_complete(&mut self.out);
            }
            tag::DESCRIBE => self.describe(body)?,
            tag::EXECUTE => {
                let execute = frontend::Execute::decode(body).map_err(malformed)?;
                let portal = self.portal(execute.portal)?;
                let reply = self.run(&portal.command).await?;
                self.reply(reply, &portal.formats);
            }
            tag::CLOSE => {
                let target = frontend::Target::decode(body).map_err(malformed)?;
                if target.kind == tag::STATEMENT {
                    self.statements.remove(target.name);
                } else {
                    self.portals.remove(target.name);
                }
                backend::write_close_complete(&mut self.out);
            }
            other => {
                return Err(malformed(format!(
                    "the admin database does not take messages {:?}",
                    char::from(other)
                )));
            }
        }
        Ok(())
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Failed> {
        let target = frontend::Target::decode(body).map_err(malformed)?;
        let (command, formats) = if target.kind == tag::STATEMENT {
            let command = self.statement(target.name)?;
            wire::no_parameters(&mut self.out);
            (command, Formats::text())
        } else {
            let portal = self.portal(target.name)?;
            (portal.command, portal.formats)
        };
        match columns(&command) {
            [] => backend::write_no_data(&mut self.out),
            columns => wire::row_description(&mut self.out, columns, &formats),
        }
        Ok(())
    }

    fn statement(&self, name: &[u8]) -> Result<Rc<Command>, Problem> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Problem::new(
                sqlstate::INVALID_SQL_STATEMENT_NAME,
                format!("prepared statement \"{name}\" does not exist"),
            )
        })
    }

    fn portal(&self, name: &[u8]) -> Result<Portal, Problem> {
        self.portals.get(name).cloned().ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Problem::new(
                sqlstate::INVALID_CURSOR_NAME,
                format!("portal \"{name}\" does not exist"),
            )
        })
    }

    /// A last word when the end is not the client's own wish.
    async fn farewell(&mut self, ended: Failed) {
        let fields = match ended {
            Failed::Over(None) => return self.talk.stream.shutdown_now(),
            Failed::Over(Some(Order::IdleTimeout | Order::IdleInTransaction)) => {
                ErrorFields::fatal(
                    sqlstate::IDLE_SESSION_TIMEOUT,
                    "terminating connection due to gateway.client_idle_timeout",
                )
            }
            Failed::Over(Some(Order::Leave | Order::Kill | Order::QueryTimeout)) => {
                ErrorFields::fatal(
                    sqlstate::ADMIN_SHUTDOWN,
                    "terminating connection due to administrator command",
                )
            }
            Failed::Problem(problem) => ErrorFields::fatal(problem.sqlstate, problem.message),
        };
        let mut out = std::mem::take(&mut self.out);
        fields.write_error(&mut out);
        let _ = timeout(FAREWELL, async {
            self.talk.say(&out).await?;
            Ok::<_, crate::login::Refusal>(self.talk.stream.shutdown().await?)
        })
        .await;
    }
}

/// The columns of what a command will give.
fn columns(command: &Command) -> &'static [Column] {
    match command {
        Command::Show(show) => show.columns(),
        Command::ShowParameter(..) => SETTING,
        Command::SelectOne => ONE,
        _ => &[],
    }
}

fn full(count: usize) -> Result<(), Problem> {
    if count < MAX_NAMES {
        return Ok(());
    }
    Err(Problem::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("more than {MAX_NAMES} statements or portals in one session"),
    ))
}

fn utf8(text: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(text).map_err(|_| {
        Problem::new(
            sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
            "the command is not UTF-8",
        )
    })
}

fn malformed(error: impl std::fmt::Display) -> Failed {
    Failed::Problem(Problem::new(
        sqlstate::PROTOCOL_VIOLATION,
        error.to_string(),
    ))
}

fn broken(error: String) -> Failed {
    malformed(error)
}
