//! Messages one by one, both ways, however an exchange stands.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use pgmoor_wire::backend::{ErrorView, ParameterStatus, TransactionStatus};
use pgmoor_wire::tag;
use tokio::time::{Instant, timeout, timeout_at};

use super::{LAST_WORD, ServerError, WireError, WireSession, refused};

/// How much may wait here, in bytes, while the server does not take what we send.
pub(super) const BACKLOG: usize = 4 * 1024 * 1024;

/// One message of the server.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// See [`pgmoor_wire::tag`].
    pub tag: u8,
    /// What follows its length.
    pub body: &'a [u8],
}

impl fmt::Debug for Message<'_> {
    /// Without the body, which is rows mostly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = char::from(self.tag);
        write!(f, "Message({tag:?}, {} bytes)", self.body.len())
    }
}

impl WireSession {
    /// Sends bytes, whole messages mostly. What the server says meanwhile is taken in, so that neither waits for the
    /// other.
    ///
    /// Not cancel safe: when dropped, an unknown part is sent.
    ///
    /// # Errors
    /// [`WireError::Lost`], [`WireError::Timeout`], and [`WireError::TooLong`] when the server says too much
    /// without taking anything.
    pub async fn send(&mut self, mut bytes: &[u8]) -> Result<(), WireError> {
        // A server that takes all at once would leave no other task its turn, nor let anybody hear what it says.
        tokio::task::consume_budget().await;
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_to_write().await?;
                }
                Err(error) => return Err(self.why_lost(error).await),
            }
        }
        if self.stream.wants_flush() {
            let flush = poll_fn(|cx| self.stream.poll_flush(cx));
            match timeout(self.patience, flush).await {
                Ok(outcome) => outcome.map_err(|error| self.lost(error))?,
                Err(_) => return Err(self.timed_out()),
            }
        }
        Ok(())
    }

    /// Waits until the server takes something, and takes in what it says.
    async fn wait_to_write(&mut self) -> Result<(), WireError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let stream = &mut self.stream;
            let is_writable = poll_fn(|cx| {
                if let Poll::Ready(outcome) = stream.poll_write_ready(cx) {
                    return Poll::Ready(outcome.map(|()| true));
                }
                stream.poll_read_ready(cx).map_ok(|()| false)
            });
            match timeout_at(deadline, is_writable).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(self.lost(error)),
                Err(_) => return Err(self.timed_out()),
            }
            self.take_in()?;
            let waiting = self.inbox.arrived().len();
            if waiting > BACKLOG {
                return Err(self.too_long(waiting, BACKLOG));
            }
        }
    }

    /// Takes in what is there, without waiting.
    pub(super) fn take_in(&mut self) -> Result<(), WireError> {
        match self.stream.try_read(self.inbox.room(0)) {
            Ok(0) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.inbox.put(count);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// The next message, as a whole, however the exchange stands. Notices are logged and reported settings kept on
    /// the way.
    ///
    /// Cancel safe: no byte is lost if the future is dropped.
    ///
    /// # Errors
    /// [`WireError::Lost`], [`WireError::Timeout`], [`WireError::Protocol`], [`WireError::TooLong`]. An
    /// ErrorResponse is a message.
    pub async fn next_message(&mut self) -> Result<Message<'_>, WireError> {
        match self.advance(None).await? {
            Some((tag, len)) => Ok(Message {
                tag,
                body: self.inbox.taken(len),
            }),
            None => Err(self.timed_out()),
        }
    }

    /// [`next_message`](Self::next_message), that waits until `deadline`, however long the session's patience is, and gives
    /// `None` when there is no whole message by then.
    ///
    /// Cancel safe, as [`next_message`](Self::next_message) is.
    ///
    /// # Errors
    /// As [`next_message`](Self::next_message), without a timeout.
    pub async fn next_message_until(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Message<'_>>, WireError> {
        let found = self.advance(Some(deadline)).await?;
        Ok(found.map(|(tag, len)| Message {
            tag,
            body: self.inbox.taken(len),
        }))
    }

    /// Whether a whole message, or its beginning, has arrived already.
    pub fn has_arrived(&self) -> bool {
        !self.inbox.arrived().is_empty() || self.stream.is_read_ready()
    }

    /// Takes the next message that is not for the session itself out of the inbox: its tag and length, header
    /// included.
    async fn advance(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<(u8, usize)>, WireError> {
        loop {
            match self.take_one(deadline).await? {
                Some((_, _, true)) => {}
                other => return Ok(other.map(|(tag, len, _)| (tag, len))),
            }
        }
    }

    /// Takes the next message out of the inbox: its tag, its length, and whether it was for the session itself.
    pub(super) async fn take_one(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<(u8, usize, bool)>, WireError> {
        loop {
            let header = self.inbox.header();
            let header = header.map_err(|error| WireError::frame(&self.server, error))?;
            let wanted = header.map_or(0, |header| header.len);
            if wanted > self.largest {
                return Err(self.too_long(wanted, self.largest));
            }
            match header.filter(|header| self.inbox.arrived().len() >= header.len) {
                Some(header) => {
                    self.inbox.take(header.len);
                    let is_own = self.is_own(header.tag, header.len)?;
                    return Ok(Some((header.tag, header.len, is_own)));
                }
                None if !self.fill(wanted, deadline).await? => return Ok(None),
                None => {}
            }
        }
    }

    /// Keeps what a message says of the session itself; false when it is for the caller.
    pub(super) fn is_own(&mut self, tag: u8, len: usize) -> Result<bool, WireError> {
        let body = self.inbox.taken(len);
        match tag {
            tag::NOTICE_RESPONSE => {
                let notice = ErrorView::new(body);
                let severity = notice.severity().unwrap_or_default();
                tracing::debug!(server = %self.server, %severity, message = %notice.message(), "notice of the server");
                Ok(true)
            }
            tag::PARAMETER_STATUS => {
                let status = ParameterStatus::decode(body)
                    .map_err(|error| WireError::decode(&self.server, error))?;
                let (name, value) = (status.name, status.value_str().into_owned());
                match self.parameters.iter_mut().find(|(key, _)| key == name) {
                    Some((_, old)) => *old = value,
                    None => self.parameters.push((name.to_owned(), value)),
                }
                Ok(true)
            }
            tag::NOTIFICATION_RESPONSE => Ok(true),
            tag::READY_FOR_QUERY => {
                let status = TransactionStatus::decode(body);
                self.status = self.decoded(status)?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Waits for more; false when there was none until `deadline`, which is the session's patience where none is
    /// given. `wanted` is how long the first message is, as far as it is to be kept as a whole.
    pub(super) async fn fill(
        &mut self,
        wanted: usize,
        deadline: Option<Instant>,
    ) -> Result<bool, WireError> {
        let until = deadline.unwrap_or_else(|| Instant::now() + self.patience);
        let reading = self.stream.read_some(self.inbox.room(wanted));
        match timeout_at(until, reading).await {
            Ok(Ok(0)) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(count)) => {
                self.inbox.put(count);
                Ok(true)
            }
            Ok(Err(error)) => Err(self.lost(error)),
            Err(_) => Ok(false),
        }
    }

    /// A server that ends a session says why before it closes: that is worth more than that the line is broken.
    async fn why_lost(&mut self, error: io::Error) -> WireError {
        let deadline = Instant::now() + LAST_WORD;
        while let Ok(Some(message)) = self.next_message_until(deadline).await {
            if message.tag == tag::ERROR_RESPONSE {
                return refused(ServerError::read(message.body));
            }
        }
        self.lost(error)
    }
}
