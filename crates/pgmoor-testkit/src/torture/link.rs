//! A client's connection, on which every message is looked at: is it mine, is it what comes here?

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::ledger::owner;
use super::trouble::{Told, Trouble};
use crate::frontend;
use crate::message::Message;
use crate::raw_client::RawClient;
use crate::stream::Address;

/// Where clients log in, and as whom.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where somebody listens.
    pub address: Address,
    /// TLS, where clients are to speak it.
    pub tls: Option<Arc<ClientConfig>>,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Door {
    /// How clients come through it, in a word.
    pub(super) fn way(&self) -> &'static str {
        match (&self.address, &self.tls) {
            (Address::Unix(_), _) => "unix",
            (Address::Tcp(_), None) => "tcp",
            (Address::Tcp(_), Some(_)) => "tls",
        }
    }

    /// A connection, with TLS where that belongs to it, that nothing was asked on.
    pub(super) async fn knock(&self, patience: Duration) -> io::Result<RawClient> {
        let mut raw = RawClient::try_connect(self.address.clone()).await?;
        raw.set_patience(patience);
        let Some(tls) = &self.tls else {
            return Ok(raw);
        };
        raw.try_send(&frontend::ssl_request()).await?;
        match raw.try_byte().await? {
            Some(b'S') => raw.try_start_tls_with(Arc::clone(tls)).await?,
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "TLS is refused")),
            None => {
                let what = "peer closed in place of TLS";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
        }
        Ok(raw)
    }
}

/// A session of one client.
pub(super) struct Link {
    raw: RawClient,
    client: u32,
    /// Whether it has asked for notifications.
    pub(super) is_listening: bool,
    /// Notices and notifications that came, the client's own.
    pub(super) heard: VecDeque<String>,
}

impl Link {
    /// Logs in as `door` says. Its `application_name` is the client's.
    pub(super) async fn open(door: &Door, client: u32, patience: Duration) -> Told<Link> {
        let raw = door.knock(patience).await;
        let mut raw = raw.map_err(|error| Trouble::of_line(&error))?;
        let name = application_name(client);
        let parameters = [
            ("user", door.user.as_str()),
            ("database", door.database.as_str()),
            ("application_name", name.as_str()),
        ];
        let last = raw.try_login_with(&parameters, &door.password).await;
        let last = last.map_err(|error| Trouble::of_line(&error))?;
        let mut link = Link {
            raw,
            client,
            is_listening: false,
            heard: VecDeque::new(),
        };
        link.look(&last)?;
        match last.tag {
            b'Z' => Ok(link),
            _ => Err(Trouble::Wrong(format!("login was answered by {last:?}"))),
        }
    }

    /// Sends bytes as they are.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Told {
        match self.raw.try_send(bytes).await {
            Ok(()) => Ok(()),
            // What the other side said before it went is still to be read.
            Err(error) => loop {
                match self.next().await {
                    Ok(_) => {}
                    Err(Trouble::Ended(_)) if error.kind() == std::io::ErrorKind::TimedOut => {
                        return Err(Trouble::of_line(&error));
                    }
                    Err(trouble) => return Err(trouble),
                }
            },
        }
    }

    /// The next message that is an answer.
    pub(super) async fn next(&mut self) -> Told<Message> {
        loop {
            match self.raw.try_next().await {
                Ok(Some(message)) => {
                    if self.look(&message)? {
                        return Ok(message);
                    }
                }
                Ok(None) => return Err(Trouble::ended("closed", "without a word")),
                Err(error) => return Err(Trouble::of_line(&error)),
            }
        }
    }

    /// Everything up to and with `readies` times ReadyForQuery.
    pub(super) async fn answer(&mut self, readies: usize) -> Told<Answer> {
        let mut messages = Vec::new();
        let mut seen = 0;
        while seen < readies {
            let message = self.next().await?;
            seen += usize::from(message.tag == b'Z');
            messages.push(message);
        }
        Ok(Answer(messages))
    }

    /// So many messages.
    pub(super) async fn messages(&mut self, count: usize) -> Told<Answer> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next().await?);
            if messages.last().is_some_and(|last| last.tag == b'E') {
                break;
            }
        }
        Ok(Answer(messages))
    }

    /// Sends a Query and reads its answer.
    pub(super) async fn query(&mut self, sql: &str) -> Told<Answer> {
        self.send(&frontend::query(sql)).await?;
        self.answer(1).await
    }

    /// What a CancelRequest for this session needs.
    pub(super) fn key(&self) -> Option<(i32, Vec<u8>)> {
        self.raw.key.clone()
    }

    /// Goes, in one of the ways that clients go.
    pub(super) async fn leave(mut self, how: u64) {
        // Whoever goes does not care whether he is heard.
        match how {
            0 => drop(self.raw.try_send(&frontend::terminate()).await),
            1 => self.raw.reset(),
            _ => {}
        }
    }

    /// Whether a message is part of an answer; what is none must be this client's, too.
    fn look(&mut self, message: &Message) -> Told<bool> {
        match message.tag {
            b'S' => Ok(false),
            b'N' => {
                let text = message.text();
                if let Some(owner) = owner(&text) {
                    if owner != self.client {
                        return Err(Trouble::Wrong(format!("notice of another: {text}")));
                    }
                    self.heard.push_back(text);
                }
                Ok(false)
            }
            b'A' => {
                let body = String::from_utf8_lossy(&message.body[4..]).into_owned();
                let payload = body.split('\0').nth(1).unwrap_or_default().to_owned();
                if !self.is_listening {
                    return Err(Trouble::Leaked(format!("notification of another: {body}")));
                }
                if owner(&payload) == Some(self.client) {
                    self.heard.push_back(payload);
                }
                Ok(false)
            }
            b'E' => {
                let fields = message.fields();
                let severity = fields.get(&'V').map(String::as_str).unwrap_or_default();
                match severity {
                    "FATAL" | "PANIC" => Err(Trouble::ended(&message.sqlstate(), message.text())),
                    _ => Ok(true),
                }
            }
            _ => Ok(true),
        }
    }
}

/// What a client calls itself.
pub(super) fn application_name(client: u32) -> String {
    format!("torture {client}")
}

/// Messages that answer what a client sent.
pub(super) struct Answer(Vec<Message>);

impl Answer {
    /// The tags in order. Behind `Z` stands `t` in a transaction and `e` in a failed one.
    pub(super) fn shape(&self) -> String {
        let mut shape = String::new();
        for message in &self.0 {
            shape.push(char::from(message.tag));
            match (message.tag, message.body.first()) {
                (b'Z', Some(b'T')) => shape.push('t'),
                (b'Z', Some(b'E')) => shape.push('e'),
                _ => {}
            }
        }
        shape
    }

    /// All values of all rows and function calls, in order; a null is a dash.
    pub(super) fn values(&self) -> Vec<String> {
        let rows = self.0.iter();
        let rows = rows.filter(|message| matches!(message.tag, b'D' | b'V'));
        rows.flat_map(Message::values)
            .map(|value| value.unwrap_or_else(|| "-".into()))
            .collect()
    }

    /// The SQLSTATEs of all errors, in order.
    pub(super) fn sqlstates(&self) -> Vec<String> {
        let errors = self.0.iter().filter(|message| message.tag == b'E');
        errors.map(Message::sqlstate).collect()
    }

    /// These tags in this order, these values, no error.
    pub(super) fn is(&self, shape: &str, values: &[&str]) -> Told {
        self.is_with_errors(shape, values, &[])
    }

    /// These tags in this order, these values, these errors.
    pub(super) fn is_with_errors(&self, shape: &str, values: &[&str], errors: &[&str]) -> Told {
        if self.shape() == shape && self.values() == values && self.sqlstates() == errors {
            return Ok(());
        }
        let wanted = format!("{shape} {values:?} {errors:?}");
        Err(Trouble::Wrong(format!("{wanted} expected, got {self:?}")))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for message in &self.0 {
            write!(text, "{message:?} ")?;
            if text.len() > 1500 {
                text.push('…');
                break;
            }
        }
        f.write_str(text.trim_end())
    }
}
