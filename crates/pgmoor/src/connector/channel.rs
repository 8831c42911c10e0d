//! Whole messages of a server during login, within bounds.

use std::io;

use pgmoor_wire::backend::ErrorView;
use pgmoor_wire::{Secret, frame, tag};

use super::error::ConnectError;
use super::report::ServerReport;
use super::site::Site;
use super::stage::Stage;
use crate::stream::Stream;

/// No message before a session is ready is nearly as long.
const MAX_MESSAGE: usize = 64 * 1024;
/// All of them together neither; endless notices end here.
const MAX_TOTAL: usize = 1024 * 1024;

pub(super) struct Channel<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) site: &'a Site,
    pub(super) stage: Stage,
    received: Vec<u8>,
    taken: usize,
    total: usize,
}

/// A message of the server.
pub(super) struct Message {
    pub(super) tag: u8,
    pub(super) body: Vec<u8>,
}

impl<'a> Channel<'a> {
    pub(super) fn new(stream: &'a mut Stream, site: &'a Site, received: Vec<u8>) -> Self {
        Self {
            stream,
            site,
            stage: Stage::Auth,
            received,
            taken: 0,
            total: 0,
        }
    }

    /// Sends a message that an answer is awaited to.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        match self.stream.write_all(bytes).await {
            // A server that has hung up may have said why before: that is read next.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            outcome => outcome.map_err(|error| self.site.lost(self.stage, error)),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Message, ConnectError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            let count = self.stream.read_onto(&mut self.received, 4096).await;
            if count.map_err(|error| self.site.lost(self.stage, error))? == 0 {
                return Err(self.site.closed(self.stage));
            }
        }
    }

    /// What came behind the last message.
    pub(super) fn leftover(self) -> Vec<u8> {
        let mut received = self.received;
        received.drain(..self.taken);
        received
    }

    fn buffered(&mut self) -> Result<Option<Message>, ConnectError> {
        let rest = &self.received[self.taken..];
        let Some(header) = frame::header(rest)
            .map_err(|error| self.site.protocol(self.stage, error.to_string()))?
        else {
            return Ok(None);
        };
        if header.len > MAX_MESSAGE || self.total + header.len > MAX_TOTAL {
            return Err(self.site.protocol(
                self.stage,
                format!(
                    "a message of {} bytes is too much before the session is ready",
                    header.len
                ),
            ));
        }
        let Some(body) = rest.get(frame::HEADER..header.len) else {
            return Ok(None);
        };
        let message = Message {
            tag: header.tag,
            body: body.to_vec(),
        };
        self.total += header.len;
        self.taken += header.len;
        if self.taken == self.received.len() {
            self.received.clear();
            self.taken = 0;
        }
        Ok(Some(message))
    }

    pub(super) fn unexpected(&self, message: &Message) -> ConnectError {
        let name = char::from(message.tag).escape_default();
        self.site
            .protocol(self.stage, format!("message '{name}' was not expected"))
    }

    pub(super) fn malformed(&self, error: impl std::fmt::Display) -> ConnectError {
        self.site.protocol(self.stage, error.to_string())
    }

    /// The error that an ErrorResponse means.
    pub(super) fn rejection(
        &self,
        message: &Message,
        user: &str,
        secret: Option<&Secret<String>>,
    ) -> ConnectError {
        debug_assert_eq!(message.tag, tag::ERROR_RESPONSE);
        ConnectError::Server {
            server: self.site.server.clone(),
            user: user.to_owned(),
            stage: self.stage,
            advice: None,
            source: Box::new(ServerReport::read(ErrorView::new(&message.body), secret)),
        }
    }
}
