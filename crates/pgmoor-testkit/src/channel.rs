//! Messages over a stream, each wait with a deadline and each surprise a panic that shows it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::message::Message;
use crate::stream::{Socket, Stream};

/// How long a peer may take to do what a script expects.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a conversation.
pub(crate) struct Channel {
    /// None only while TLS starts.
    stream: Option<Stream>,
    received: Vec<u8>,
    pub(crate) patience: Duration,
}

impl Channel {
    pub(crate) fn new(socket: Socket) -> Channel {
        Channel {
            stream: Some(Stream::Plain(socket)),
            received: Vec::new(),
            patience: PATIENCE,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        self.stream.as_ref().expect("TLS has not failed")
    }

    fn stream_mut(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("TLS has not failed")
    }

    /// Sends bytes as they are.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let patience = self.patience;
        let stream = self.stream_mut();
        let sent = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match timeout(patience, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("peer did not take {} bytes in {patience:?}", bytes.len()),
            )),
        }
    }

    /// Reads what comes next; false when the peer has closed.
    async fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let patience = self.patience;
        match timeout(patience, self.stream_mut().read(&mut chunk)).await {
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("peer was silent for {patience:?}"),
            )),
            Ok(read) => {
                let read = read?;
                self.received.extend(&chunk[..read]);
                Ok(read > 0)
            }
        }
    }

    /// The next message; none when the peer has closed between two messages.
    pub(crate) async fn try_next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = Message::take(&mut self.received) {
                return Ok(Some(message));
            }
            match self.fill().await {
                Ok(true) => {}
                Ok(false) if self.received.is_empty() => return Ok(None),
                Err(error)
                    if error.kind() != io::ErrorKind::UnexpectedEof || self.received.is_empty() =>
                {
                    return Err(error);
                }
                // With TLS, whoever cannot end a message does not say goodbye either.
                Ok(false) | Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("peer closed in a message: {}", self.received.escape_ascii()),
                    ));
                }
            }
        }
    }

    /// Exactly `count` bytes; none when the peer closes before.
    pub(crate) async fn try_read(&mut self, count: usize) -> io::Result<Option<Vec<u8>>> {
        while self.received.len() < count {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let rest = self.received.split_off(count);
        Ok(Some(std::mem::replace(&mut self.received, rest)))
    }

    /// Everything until the peer closes or resets the connection.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => return Ok(std::mem::take(&mut self.received)),
                Err(error) if is_closed(&error) => return Ok(std::mem::take(&mut self.received)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nothing at all comes for this long.
    pub(crate) async fn is_silent(&mut self, time: Duration) -> bool {
        if !self.received.is_empty() {
            return false;
        }
        let mut byte = [0; 1];
        match timeout(time, self.stream_mut().read(&mut byte)).await {
            Err(_) => true,
            Ok(read) => {
                let read = read.unwrap_or(0);
                self.received.extend(&byte[..read]);
                false
            }
        }
    }

    pub(crate) async fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream_mut().shutdown().await
    }

    pub(crate) async fn start_tls(&mut self, config: Arc<ClientConfig>) -> io::Result<()> {
        let socket = self.take_plain();
        let name = ServerName::try_from("localhost").expect("it is a DNS name");
        let handshake = TlsConnector::from(config).connect(name, socket);
        let tls = timeout(self.patience, handshake).await??;
        self.stream = Some(Stream::Tls(Box::new(TlsStream::Client(tls))));
        Ok(())
    }

    pub(crate) async fn accept_tls(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let socket = self.take_plain();
        let handshake = TlsAcceptor::from(config).accept(socket);
        let tls = timeout(self.patience, handshake).await??;
        self.stream = Some(Stream::Tls(Box::new(TlsStream::Server(tls))));
        Ok(())
    }

    fn take_plain(&mut self) -> Socket {
        assert!(
            self.received.is_empty(),
            "peer sent bytes before the TLS handshake: {}",
            self.received.escape_ascii()
        );
        self.stream.take().expect("TLS has not failed").into_plain()
    }
}

/// Says whether an error is the peer's way of closing.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}
