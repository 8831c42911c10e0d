//! A PostgreSQL client that does what a script says: right, wrong, by halves or not at all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use rustls::ClientConfig;
use sha2::{Digest, Sha256};

use crate::ca::{Ca, Certificate};
use crate::channel::{Channel, is_closed};
use crate::frontend;
use crate::message::Message;
use crate::stream::{Address, Stream};
use crate::tls::client_config;

/// A scripted client.
///
/// Methods named `expect_…` panic with what came instead; those named `try_…` return it. Every wait
/// ends after ten seconds, or what [`RawClient::set_patience`] says.
pub struct RawClient {
    channel: Channel,
    address: Address,
    /// What the server has reported, in order.
    pub parameters: Vec<(String, String)>,
    /// What a CancelRequest needs, once the server has sent it.
    pub key: Option<(i32, Vec<u8>)>,
}

impl RawClient {
    /// Connects without sending anything.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub async fn connect(address: impl Into<Address>) -> RawClient {
        let address = address.into();
        match RawClient::try_connect(address.clone()).await {
            Ok(client) => client,
            Err(error) => panic!("cannot connect to {address}: {error}"),
        }
    }

    /// Connects without sending anything.
    pub async fn try_connect(address: impl Into<Address>) -> io::Result<RawClient> {
        let address = address.into();
        Ok(RawClient {
            channel: Channel::new(address.connect().await?),
            address,
            parameters: Vec::new(),
            key: None,
        })
    }

    /// Connects and starts TLS after an SSLRequest.
    pub async fn connect_tls(
        address: impl Into<Address>,
        ca: &Ca,
        identity: Option<&Certificate>,
    ) -> RawClient {
        let mut client = RawClient::connect(address).await;
        assert_eq!(client.request_tls().await, b'S', "server refuses TLS");
        client.start_tls(ca, identity).await;
        client
    }

    /// Connects and starts TLS at once, as `sslnegotiation=direct` does.
    pub async fn connect_direct_tls(
        address: impl Into<Address>,
        ca: &Ca,
        identity: Option<&Certificate>,
    ) -> RawClient {
        let mut client = RawClient::connect(address).await;
        client.start_tls(ca, identity).await;
        client
    }

    /// Connects, logs in, and reads until the server is ready.
    pub async fn login_to(
        address: impl Into<Address>,
        user: &str,
        password: &str,
        database: &str,
    ) -> RawClient {
        let mut client = RawClient::connect(address).await;
        client.login(user, password, database).await;
        client
    }

    /// How long the server may take for each thing that is expected of it.
    pub fn set_patience(&mut self, patience: Duration) {
        self.channel.patience = patience;
    }

    /// Sends an SSLRequest and returns the answer.
    pub async fn request_tls(&mut self) -> u8 {
        self.send(&frontend::ssl_request()).await;
        self.expect_byte().await
    }

    /// Sends a GSSENCRequest and returns the answer.
    pub async fn request_gssenc(&mut self) -> u8 {
        self.send(&frontend::gssenc_request()).await;
        self.expect_byte().await
    }

    /// Does the TLS handshake.
    pub async fn start_tls(&mut self, ca: &Ca, identity: Option<&Certificate>) {
        if let Err(error) = self.try_start_tls(ca, identity).await {
            panic!("TLS handshake with {} failed: {error}", self.address);
        }
    }

    /// Does the TLS handshake.
    pub async fn try_start_tls(
        &mut self,
        ca: &Ca,
        identity: Option<&Certificate>,
    ) -> io::Result<()> {
        self.channel.start_tls(client_config(ca, identity)).await
    }

    /// Does the TLS handshake as `config` says.
    pub async fn try_start_tls_with(&mut self, config: Arc<ClientConfig>) -> io::Result<()> {
        self.channel.start_tls(config).await
    }

    /// Sends bytes as they are: any, wrong, half a message.
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

    /// Sends a StartupMessage for protocol 3.0.
    pub async fn startup(&mut self, parameters: &[(&str, &str)]) {
        self.send(&frontend::startup(frontend::PROTOCOL_3_0, parameters))
            .await;
    }

    /// Starts up, answers whatever the server asks to log in, and reads until it is ready.
    pub async fn login(&mut self, user: &str, password: &str, database: &str) {
        self.login_with(&[("user", user), ("database", database)], password)
            .await;
    }

    /// Does what [`RawClient::login`] does with any startup parameters; `user` is one of them.
    pub async fn login_with(&mut self, parameters: &[(&str, &str)], password: &str) {
        self.startup(parameters).await;
        let last = self.authenticate(user_of(parameters), password).await;
        assert_ne!(last.tag, b'E', "login failed: {last:?}");
        self.read_until_ready().await;
    }

    /// Tries to log in and returns the error that the server must answer with.
    pub async fn expect_login_error(
        &mut self,
        parameters: &[(&str, &str)],
        password: &str,
        sqlstate: &str,
    ) -> Message {
        self.startup(parameters).await;
        let mut last = self.authenticate(user_of(parameters), password).await;
        while last.tag != b'E' {
            assert_ne!(last.tag, b'Z', "login succeeded, {sqlstate} expected");
            last = self.expect_any().await;
        }
        assert_eq!(last.sqlstate(), sqlstate, "{last:?}");
        last
    }

    /// Answers requests to authenticate; returns AuthenticationOk or the error instead of it.
    pub async fn authenticate(&mut self, user: &str, password: &str) -> Message {
        match self.try_authenticate(user, password).await {
            Ok(message) => message,
            Err(error) => panic!("cannot log in to {}: {error}", self.address),
        }
    }

    /// Starts up and logs in. Returns ReadyForQuery, or the error that came instead.
    pub async fn try_login_with(
        &mut self,
        parameters: &[(&str, &str)],
        password: &str,
    ) -> io::Result<Message> {
        self.try_send(&frontend::startup(frontend::PROTOCOL_3_0, parameters))
            .await?;
        let user = user_of(parameters);
        let mut last = self.try_authenticate(user, password).await?;
        while !matches!(last.tag, b'E' | b'Z') {
            last = self.next_or_closed().await?;
        }
        Ok(last)
    }

    /// Does what [`RawClient::authenticate`] does, and tells when the line breaks.
    pub async fn try_authenticate(&mut self, user: &str, password: &str) -> io::Result<Message> {
        let mut scram = None;
        loop {
            let message = self.next_or_closed().await?;
            if message.tag != b'R' || message.number() == 0 {
                return Ok(message);
            }
            let rest = &message.body[4..];
            match message.number() {
                3 => self.try_send(&frontend::password(password)).await?,
                5 => {
                    let salt = rest.try_into().expect("MD5 salt has four bytes");
                    let hash = md5_hash(user.as_bytes(), password.as_bytes(), salt);
                    self.try_send(&frontend::password(&hash)).await?;
                }
                10 => scram = Some(self.start_scram(rest, password).await?),
                11 => {
                    let scram = scram.as_mut().expect("SASL has started");
                    scram.update(rest).expect("server's first message is right");
                    let response = scram.message().to_vec();
                    self.try_send(&frontend::sasl_response(&response)).await?;
                }
                12 => {
                    let scram = scram.as_mut().expect("SASL has started");
                    scram.finish(rest).expect("server knows the password too");
                }
                other => panic!("server asks for authentication {other}"),
            }
        }
    }

    /// The next message; an end is an error.
    async fn next_or_closed(&mut self) -> io::Result<Message> {
        let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed");
        self.try_next().await?.ok_or_else(closed)
    }

    /// Takes SCRAM-SHA-256-PLUS when there is TLS and the server offers it.
    async fn start_scram(&mut self, mechanisms: &[u8], password: &str) -> io::Result<ScramSha256> {
        let offered = Message::new(b'R', mechanisms).strings();
        let offers = |name: &str| offered.iter().any(|mechanism| mechanism == name);
        let (mechanism, binding) = match self.server_certificate_hash() {
            Some(hash) if offers("SCRAM-SHA-256-PLUS") => (
                "SCRAM-SHA-256-PLUS",
                ChannelBinding::tls_server_end_point(hash),
            ),
            Some(_) => ("SCRAM-SHA-256", ChannelBinding::unrequested()),
            None => ("SCRAM-SHA-256", ChannelBinding::unsupported()),
        };
        assert!(offers(mechanism), "server offers only {offered:?}");
        let scram = ScramSha256::new(password.as_bytes(), binding);
        self.try_send(&frontend::sasl_initial(mechanism, scram.message()))
            .await?;
        Ok(scram)
    }

    /// `tls-server-end-point`; SHA-256 is right for the certificates that [`Ca`] makes.
    fn server_certificate_hash(&self) -> Option<Vec<u8>> {
        let Stream::Tls(tls) = self.channel.stream() else {
            return None;
        };
        let certificates = tls.get_ref().1.peer_certificates()?;
        Some(Sha256::digest(certificates.first()?).to_vec())
    }

    /// Sends a Query and reads until the server is ready.
    pub async fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send(&frontend::query(sql)).await;
        self.read_until_ready().await
    }

    /// Sends a Query that must succeed and returns its rows.
    pub async fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = self.query(sql).await;
        if let Some(error) = messages.iter().find(|message| message.tag == b'E') {
            panic!("{sql} failed: {error:?}");
        }
        let rows = messages.iter().filter(|message| message.tag == b'D');
        rows.map(Message::values).collect()
    }

    /// Sends a Query that must give one value.
    pub async fn value(&mut self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        match rows.as_slice() {
            [row] if row.len() == 1 => row[0].clone().unwrap_or_default(),
            _ => panic!("{sql} gave {rows:?} instead of one value"),
        }
    }

    /// Sends several messages in one piece and reads until the server is ready once.
    pub async fn pipeline(&mut self, messages: &[Vec<u8>]) -> Vec<Message> {
        self.send(&messages.concat()).await;
        self.read_until_ready().await
    }

    /// The next message; none when the server has closed the connection.
    pub async fn try_next(&mut self) -> io::Result<Option<Message>> {
        let message = self.channel.try_next().await?;
        if let Some(message) = &message {
            self.note(message);
        }
        Ok(message)
    }

    /// The next message, whatever it is.
    pub async fn expect_any(&mut self) -> Message {
        match self.try_next().await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("{} closed the connection, a message expected", self.address),
            Err(error) => panic!("no message from {}: {error}", self.address),
        }
    }

    /// The next message, which has this tag.
    pub async fn expect(&mut self, tag: u8) -> Message {
        let message = self.expect_any().await;
        let wanted = char::from(tag);
        assert_eq!(char::from(message.tag), wanted, "{message:?} came");
        message
    }

    /// The next message, which is an error with this SQLSTATE.
    pub async fn expect_error(&mut self, sqlstate: &str) -> Message {
        let message = self.expect(b'E').await;
        assert_eq!(message.sqlstate(), sqlstate, "{message:?}");
        message
    }

    /// Everything up to and with ReadyForQuery.
    pub async fn read_until_ready(&mut self) -> Vec<Message> {
        self.read_until(b'Z').await
    }

    /// Everything up to and with the first message of this tag.
    pub async fn read_until(&mut self, tag: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.try_next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => panic!("connection closed after {messages:?}"),
                Err(error) => panic!("{error} after {messages:?}"),
            }
            if messages.last().is_some_and(|last| last.tag == tag) {
                return messages;
            }
        }
    }

    /// One byte that is no message, as after an SSLRequest.
    pub async fn expect_byte(&mut self) -> u8 {
        match self.try_byte().await {
            Ok(Some(byte)) => byte,
            Ok(None) => panic!("{} closed the connection, a byte expected", self.address),
            Err(error) => panic!("no byte from {}: {error}", self.address),
        }
    }

    /// One byte that is no message; none when the server closes.
    pub async fn try_byte(&mut self) -> io::Result<Option<u8>> {
        let bytes = self.channel.try_read(1).await?;
        Ok(bytes.map(|bytes| bytes[0]))
    }

    /// The server closes the connection now, without another byte.
    pub async fn expect_closed(&mut self) {
        match self.try_next().await {
            Ok(None) => {}
            Ok(Some(message)) => panic!("{message:?} came, a close expected"),
            Err(error) if is_closed(&error) => {}
            Err(error) => panic!("{} does not close: {error}", self.address),
        }
    }

    /// The server closes the connection now and says so: with TLS by a close_notify, without which
    /// some drivers take the end for an attack.
    pub async fn expect_clean_close(&mut self) {
        match self.try_next().await {
            Ok(None) => {}
            Ok(Some(message)) => panic!("{message:?} came, a close expected"),
            Err(error) => panic!("{} does not close cleanly: {error}", self.address),
        }
    }

    /// Everything the server still sends until it closes, as bytes.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        match self.channel.read_to_end().await {
            Ok(bytes) => bytes,
            Err(error) => panic!("{} does not close: {error}", self.address),
        }
    }

    /// Nothing comes for this long and the connection stays open.
    pub async fn expect_silence(&mut self, time: Duration) {
        assert!(
            self.channel.is_silent(time).await,
            "{} sent something or closed, silence expected",
            self.address
        );
    }

    /// Sends a CancelRequest for this connection on another one, and waits until that is closed.
    pub async fn cancel(&self) {
        let (pid, secret) = self.key.clone().expect("server has sent a key");
        RawClient::cancel_at(self.address.clone(), pid, &secret).await;
    }

    /// Sends a CancelRequest with any key, and waits until the server closes without an answer.
    pub async fn cancel_at(address: impl Into<Address>, pid: i32, secret: &[u8]) {
        let mut client = RawClient::connect(address).await;
        client.send(&frontend::cancel_request(pid, secret)).await;
        client.expect_closed().await;
    }

    /// Does what [`RawClient::cancel`] does, over TLS, and insists on a clean close.
    pub async fn cancel_over_tls(&self, ca: &Ca) {
        let (pid, secret) = self.key.clone().expect("server has sent a key");
        let mut client = RawClient::connect_tls(self.address.clone(), ca, None).await;
        client.send(&frontend::cancel_request(pid, &secret)).await;
        client.expect_clean_close().await;
    }

    /// What the server has reported last for a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut reported = self.parameters.iter().rev();
        reported.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the connection has TLS on it.
    pub fn is_tls(&self) -> bool {
        self.channel.stream().is_tls()
    }

    /// Closes our direction only; the server may go on sending.
    pub async fn shutdown_write(&mut self) {
        if let Err(error) = self.channel.shutdown_write().await {
            panic!("cannot close our direction: {error}");
        }
    }

    /// Says goodbye and closes.
    pub async fn terminate(mut self) {
        self.send(&frontend::terminate()).await;
    }

    /// Closes by a reset (TCP), without a goodbye.
    pub fn reset(self) {
        self.channel.stream().socket().reset_on_close();
    }

    fn note(&mut self, message: &Message) {
        match message.tag {
            b'S' => {
                if let [name, value] = message.strings().as_slice() {
                    self.parameters.push((name.clone(), value.clone()));
                }
            }
            b'K' => self.key = Some((message.number(), message.body[4..].to_vec())),
            _ => {}
        }
    }
}

fn user_of<'a>(parameters: &[(&str, &'a str)]) -> &'a str {
    let user = parameters.iter().find(|(name, _)| *name == "user");
    user.map_or("", |(_, user)| user)
}
