//! One connection of a fake server: what it expects, what it answers, how it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::authentication::md5_hash;
use rustls::ServerConfig;

use super::scram;
use super::session::Session;
use crate::backend;
use crate::channel::{Channel, is_closed};
use crate::message::Message;

/// The process id and secret that [`ScriptedConnection::greet`] sends.
const KEY: (i32, &[u8]) = (4711, &[1, 2, 3, 4]);

/// How a fake server has its clients log in.
#[derive(Clone)]
pub enum Login {
    /// No password.
    Trust,
    /// The password in clear.
    Cleartext(String),
    /// MD5 with a salt.
    Md5(String),
    /// SCRAM-SHA-256.
    Scram(String),
    /// An error with this SQLSTATE and text instead of a question.
    Refuse(&'static str, &'static str),
}

/// What a client has sent in its StartupMessage.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Major version in the high 16 bits, minor in the low ones.
    pub protocol: u32,
    /// Names and values in their order.
    pub parameters: Vec<(String, String)>,
    /// Whether TLS was started before.
    pub tls: bool,
}

impl Startup {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A connection that the test plays the server of.
pub struct ScriptedConnection {
    channel: Channel,
    tls: Option<Arc<ServerConfig>>,
}

impl ScriptedConnection {
    pub(super) fn new(channel: Channel, tls: Option<Arc<ServerConfig>>) -> ScriptedConnection {
        ScriptedConnection { channel, tls }
    }

    /// How long the client may take for each thing that is expected of it.
    pub fn set_patience(&mut self, patience: Duration) {
        self.channel.patience = patience;
    }

    /// A message without a tag: its code and what stands behind that.
    pub async fn try_untagged(&mut self) -> io::Result<Option<(u32, Vec<u8>)>> {
        let Some(head) = self.channel.try_read(8).await? else {
            return Ok(None);
        };
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let rest = (word(0) as usize)
            .checked_sub(8)
            .expect("length has itself and the code in it");
        let body = self.channel.try_read(rest).await?;
        Ok(body.map(|body| (word(4), body)))
    }

    /// A message without a tag.
    pub async fn expect_untagged(&mut self) -> (u32, Vec<u8>) {
        match self.try_untagged().await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("client closed instead of starting up"),
            Err(error) => panic!("client did not start up: {error}"),
        }
    }

    /// The StartupMessage; requests for encryption before it are answered, with TLS if there is any.
    pub async fn expect_startup(&mut self) -> Startup {
        let startup = self.startup_or_cancel().await;
        startup.expect("client sent a CancelRequest, StartupMessage expected")
    }

    /// As [`expect_startup`](Self::expect_startup); none when it is a CancelRequest.
    pub async fn startup_or_cancel(&mut self) -> Option<Startup> {
        loop {
            let (code, body) = self.expect_untagged().await;
            match code {
                80_877_103 => self.answer_tls_request().await,
                80_877_104 => self.send(b"N").await,
                80_877_102 => return None,
                protocol => {
                    return Some(Startup {
                        protocol,
                        parameters: parameters_in(&body),
                        tls: self.channel.stream().is_tls(),
                    });
                }
            }
        }
    }

    async fn answer_tls_request(&mut self) {
        match self.tls.clone() {
            None => self.send(b"N").await,
            Some(config) => {
                self.send(b"S").await;
                self.accept_tls(config).await;
            }
        }
    }

    /// Does the server's side of a TLS handshake.
    pub async fn accept_tls(&mut self, config: Arc<ServerConfig>) {
        if let Err(error) = self.channel.accept_tls(config).await {
            panic!("TLS handshake failed: {error}");
        }
    }

    /// A CancelRequest: its process id and secret.
    pub async fn expect_cancel(&mut self) -> (i32, Vec<u8>) {
        let (code, body) = self.expect_untagged().await;
        assert_eq!(code, 80_877_102, "no CancelRequest");
        let pid = i32::from_be_bytes(body[..4].try_into().expect("four bytes"));
        (pid, body[4..].to_vec())
    }

    /// Asks for the password; a wrong one is refused with 28P01, and the result is false.
    pub async fn log_in(&mut self, startup: &Startup, login: &Login) -> bool {
        let right = match login {
            Login::Trust => true,
            Login::Refuse(sqlstate, text) => {
                self.send(&backend::fatal(sqlstate, text)).await;
                return false;
            }
            Login::Cleartext(password) => {
                self.send(&backend::auth_cleartext()).await;
                self.expect(b'p').await.strings() == [password.clone()]
            }
            Login::Md5(password) => {
                let salt = [7, 8, 9, 10];
                self.send(&backend::auth_md5(salt)).await;
                let user = startup.get("user").unwrap_or_default().as_bytes();
                let hash = md5_hash(user, password.as_bytes(), salt);
                self.expect(b'p').await.strings() == [hash]
            }
            Login::Scram(password) => scram::log_in(self, password).await,
        };
        let answer = match right {
            true => backend::auth_ok(),
            false => backend::fatal("28P01", "password authentication failed"),
        };
        self.send(&answer).await;
        right
    }

    /// Sends what stands between AuthenticationOk and the first query.
    pub async fn greet(&mut self) {
        let reported = [
            ("server_version", "15.0 (scripted)"),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
        ];
        let mut bytes: Vec<u8> = reported
            .iter()
            .flat_map(|(name, value)| backend::parameter_status(name, value))
            .collect();
        bytes.extend(backend::backend_key(KEY.0, KEY.1));
        bytes.extend(backend::ready(b'I'));
        self.send(&bytes).await;
    }

    /// Lets a client in without a password, up to its first query.
    pub async fn welcome(&mut self) -> Startup {
        let startup = self.expect_startup().await;
        self.log_in(&startup, &Login::Trust).await;
        self.greet().await;
        startup
    }

    /// As [`welcome`](Self::welcome); `false` when it is a CancelRequest.
    pub async fn welcome_unless_cancel(&mut self) -> bool {
        let Some(startup) = self.startup_or_cancel().await else {
            return false;
        };
        self.log_in(&startup, &Login::Trust).await;
        self.greet().await;
        true
    }

    /// Behaves as PostgreSQL does until the client leaves, and returns what it has seen.
    ///
    /// It knows no SQL beyond transactions and names, but it refuses what a real server refuses:
    /// unknown statements and portals, names taken twice, commands in a failed transaction.
    pub async fn behave(&mut self) -> Session {
        let mut session = Session::default();
        while let Ok(Some(message)) = self.channel.try_next().await {
            let answer = session.answer(&message);
            if !answer.is_empty() && self.try_send(&answer).await.is_err() {
                break;
            }
            if session.has_ended() {
                break;
            }
        }
        session
    }

    /// The next message; none when the client has closed.
    pub async fn try_next(&mut self) -> io::Result<Option<Message>> {
        self.channel.try_next().await
    }

    /// The next message, which has this tag.
    pub async fn expect(&mut self, tag: u8) -> Message {
        let wanted = char::from(tag);
        match self.channel.try_next().await {
            Ok(Some(message)) => {
                assert_eq!(char::from(message.tag), wanted, "{message:?} came");
                message
            }
            Ok(None) => panic!("client closed, {wanted} expected"),
            Err(error) => panic!("{wanted} expected: {error}"),
        }
    }

    /// The next message, which is a Query; returns its text.
    pub async fn expect_query(&mut self) -> String {
        self.expect(b'Q').await.strings().swap_remove(0)
    }

    /// Everything up to and with the first message of this tag.
    pub async fn read_until(&mut self, tag: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.channel.try_next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => panic!("client closed after {messages:?}"),
                Err(error) => panic!("{error} after {messages:?}"),
            }
            if messages.last().is_some_and(|last| last.tag == tag) {
                return messages;
            }
        }
    }

    /// Exactly this many bytes, whatever they are.
    pub async fn expect_bytes(&mut self, count: usize) -> Vec<u8> {
        match self.channel.try_read(count).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => panic!("client closed before {count} bytes"),
            Err(error) => panic!("{count} bytes expected: {error}"),
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_send(bytes).await {
            panic!("cannot send {} bytes: {error}", bytes.len());
        }
    }

    /// Sends bytes as they are.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.channel.try_send(bytes).await
    }

    /// Sends bytes one by one, each on its way before the next.
    pub async fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    }

    /// The client closes now, with a Terminate or without.
    pub async fn expect_closed(&mut self) {
        loop {
            match self.channel.try_next().await {
                Ok(None) => return,
                Ok(Some(message)) if message.tag == b'X' => {}
                Ok(Some(message)) => panic!("{message:?} came, a close expected"),
                Err(error) if is_closed(&error) => return,
                Err(error) => panic!("client does not close: {error}"),
            }
        }
    }

    /// Nothing comes for this long and the connection stays open.
    pub async fn expect_silence(&mut self, time: Duration) {
        let silent = self.channel.is_silent(time).await;
        assert!(silent, "client sent something or closed, silence expected");
    }

    /// Keeps the connection open without reading or writing, until the task is dropped.
    pub async fn stall(&mut self) {
        std::future::pending().await
    }

    /// Closes our direction only; the client may go on sending.
    pub async fn shutdown_write(&mut self) {
        if let Err(error) = self.channel.shutdown_write().await {
            panic!("cannot close our direction: {error}");
        }
    }

    /// Closes by a reset (TCP).
    pub fn reset(self) {
        self.channel.stream().socket().reset_on_close();
    }
}

fn parameters_in(body: &[u8]) -> Vec<(String, String)> {
    let words = Message::new(b' ', body).strings();
    let pairs = words.chunks_exact(2).filter(|pair| !pair[0].is_empty());
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}
