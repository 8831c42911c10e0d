//! Turning a plain stream into a TLS one, on either side.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, Connection, ServerConnection};
use rustls_pki_types::ServerName;

use super::Stream;
use super::session::Session;
use crate::tls::Acceptor;

impl Stream {
    /// Accepts TLS as the server, from a stream on which the `SSLRequest` is answered, or whose
    /// first byte (see [`peek_some`](Self::peek_some)) is `0x16` for direct TLS.
    ///
    /// Whoever answers an `SSLRequest` must refuse a client that sent anything behind it: such
    /// bytes are from before TLS, and anybody may have put them there.
    ///
    /// Not cancel safe: drop the stream with the future.
    ///
    /// # Errors
    /// `InvalidData` with a [`rustls::Error`] inside when the handshake fails, else the socket's.
    pub async fn accept_tls(&mut self, acceptor: impl Into<Acceptor>) -> io::Result<()> {
        self.accept_tls_after(acceptor, Vec::new()).await
    }

    /// [`accept_tls`](Self::accept_tls) where the first bytes of TLS itself have been read already.
    ///
    /// # Errors
    /// As [`accept_tls`](Self::accept_tls).
    pub async fn accept_tls_after(
        &mut self,
        acceptor: impl Into<Acceptor>,
        prefix: Vec<u8>,
    ) -> io::Result<()> {
        let Acceptor {
            config, end_point, ..
        } = acceptor.into();
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        self.shake_hands(Connection::Server(connection), prefix)
            .await?;
        if let Some(tls) = &mut self.tls {
            tls.finish_handshake(end_point);
        }
        Ok(())
    }

    /// Starts TLS as the client.
    ///
    /// Not cancel safe: drop the stream with the future.
    ///
    /// # Errors
    /// As [`accept_tls`](Self::accept_tls).
    pub async fn connect_tls(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        self.shake_hands(Connection::Client(connection), Vec::new())
            .await?;
        if let Some(tls) = &mut self.tls {
            tls.finish_handshake(None);
        }
        Ok(())
    }

    async fn shake_hands(&mut self, connection: Connection, prefix: Vec<u8>) -> io::Result<()> {
        debug_assert!(self.tls.is_none(), "TLS inside TLS");
        self.tls = Some(Box::new(Session::new(connection, prefix)));
        loop {
            poll_fn(|cx| self.poll_flush(cx)).await?;
            let Some(tls) = &mut self.tls else {
                return Ok(());
            };
            if !tls.is_handshaking() {
                return Ok(());
            }
            match tls.receive(&self.socket) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll_fn(|cx| self.socket.poll_read_ready(cx)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
