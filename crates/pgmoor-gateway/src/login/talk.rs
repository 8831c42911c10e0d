//! Whole messages over a stream, one after the other: for logins, not for the data path.

use pgmoor::stream::Stream;
use pgmoor::tls::ServerTls;
use pgmoor_wire::frame;

use super::refusal::Refusal;

/// A stream and what was received ahead.
pub(crate) struct Talk {
    pub(crate) stream: Stream,
    pub(crate) inbox: Vec<u8>,
    /// A TLS handshake has begun and not ended.
    pub(super) is_shaking_hands: bool,
}

impl Talk {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            is_shaking_hands: false,
        }
    }

    /// Goes over to TLS.
    pub(super) async fn accept_tls(&mut self, tls: &ServerTls) -> Result<(), Refusal> {
        self.is_shaking_hands = true;
        self.stream.accept_tls(tls.current()).await?;
        self.is_shaking_hands = false;
        Ok(())
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Gone`] at the end of the stream.
    pub(crate) async fn more(&mut self) -> Result<(), Refusal> {
        match self.stream.read_onto(&mut self.inbox, 1024).await? {
            0 => Err(Refusal::Gone(None)),
            _ => Ok(()),
        }
    }

    /// Waits for a whole message of this tag and gives its body.
    ///
    /// # Errors
    ///
    /// Any other message, or one that is longer than `limit`.
    pub(crate) async fn expect(&mut self, tag: u8, limit: usize) -> Result<Vec<u8>, Refusal> {
        loop {
            let header =
                frame::header(&self.inbox).map_err(|error| Refusal::protocol(error.to_string()))?;
            if let Some(header) = header {
                if header.tag != tag {
                    let name = char::from(header.tag).escape_default().to_string();
                    return Err(Refusal::protocol(format!(
                        "unexpected message \"{name}\" during login"
                    )));
                }
                if header.len > limit {
                    return Err(Refusal::protocol(format!(
                        "message of {} bytes during login, at most {limit} are allowed",
                        header.len
                    )));
                }
                if self.inbox.len() >= header.len {
                    let rest = self.inbox.split_off(header.len);
                    let message = std::mem::replace(&mut self.inbox, rest);
                    return Ok(message[frame::HEADER..].to_vec());
                }
            }
            self.more().await?;
        }
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        Ok(self.stream.write_all(bytes).await?)
    }
}
