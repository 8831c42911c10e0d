//! Rows on their way to a server.

use pgmoor_wire::{frontend, tag};

use super::messages::BACKLOG;
use super::{Run, ServerError, WireError, WireSession, refused, rows};

/// A copy to the server. It is to be finished or aborted, or else the session is of no further use, and the server
/// takes no row.
#[derive(Debug)]
pub struct CopyIn<'s> {
    session: &'s mut WireSession,
}

impl<'s> CopyIn<'s> {
    pub(super) fn new(session: &'s mut WireSession) -> Self {
        Self { session }
    }

    /// Sends the messages of a run on as they came.
    ///
    /// # Errors
    /// [`WireError`]: also what the server refuses of the rows before. The session is of no further use then.
    pub async fn write(&mut self, run: &Run<'_>) -> Result<(), WireError> {
        self.session.send(run.bytes()).await?;
        self.look()
    }

    /// Sends bytes of rows in a message of their own.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_data(&mut self, data: &[u8]) -> Result<(), WireError> {
        // A message may not be longer than PostgreSQL takes; rows may be cut anywhere.
        for part in data.chunks(BACKLOG) {
            let length = u32::try_from(part.len() + 4).unwrap_or(u32::MAX);
            let mut header = [tag::COPY_DATA, 0, 0, 0, 0];
            header[1..].copy_from_slice(&length.to_be_bytes());
            self.session.send(&header).await?;
            self.session.send(part).await?;
        }
        self.look()
    }

    /// Looks, without waiting, whether the server has refused.
    fn look(&mut self) -> Result<(), WireError> {
        if self.session.stream.is_read_ready() {
            self.session.take_in()?;
        }
        while let Some((header, body, _)) = pgmoor_wire::frame::split(self.session.inbox.arrived())
            .map_err(|error| WireError::frame(&self.session.server, error))?
        {
            match header.tag {
                tag::ERROR_RESPONSE => return Err(refused(ServerError::read(body))),
                found => {
                    self.session.inbox.take(header.len);
                    if !self.session.is_own(found, header.len)? {
                        return Err(self.session.unexpected(found));
                    }
                }
            }
        }
        Ok(())
    }

    /// Says that these were all, and gives how many rows the server took.
    ///
    /// # Errors
    /// As [`WireSession::query`]: after [`WireError::Server`] the session is ready for the next.
    pub async fn finish(self) -> Result<u64, WireError> {
        let mut done = Vec::new();
        frontend::write_copy_done(&mut done);
        self.session.send(&done).await?;
        Ok(rows::count(&self.session.until_ready().await?))
    }

    /// Gives it up: the server takes none of the rows. Only between two rows.
    ///
    /// # Errors
    /// [`WireError`], other than that the server says that it was given up.
    pub async fn abort(self, reason: &str) -> Result<(), WireError> {
        let mut fail = Vec::new();
        frontend::write_copy_fail(&mut fail, reason)?;
        self.session.send(&fail).await?;
        match self.session.until_ready().await {
            Ok(_) | Err(WireError::Server(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }
}
