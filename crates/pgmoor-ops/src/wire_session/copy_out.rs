//! Rows as they come from a server: in runs of messages, as many as have arrived, none of them copied.

use pgmoor_wire::frame::{self, HEADER};
use pgmoor_wire::tag;

use super::{ServerError, WireError, WireSession, refused, rows};

/// A copy from the server. It is to be read to its end, or else the session is of no further use.
#[derive(Debug)]
pub struct CopyOut<'s> {
    session: &'s mut WireSession,
    is_binary: bool,
    /// Bytes of the last run, which stay in the inbox until the next is asked for.
    given: usize,
    /// Bytes of the message in which the last run ended that are still to come.
    open: usize,
    rows: Option<u64>,
}

/// Some CopyData messages as they came, headers and all. The first may be the rest of one, and the last the beginning
/// of one.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    bytes: &'a [u8],
    /// Bytes of the first message that are a rest.
    rest: usize,
}

/// A part of what one message holds: a row, or a part of a large one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether the message ends with them.
    pub is_last: bool,
}

/// The pieces of a run, in order.
#[derive(Clone)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    rest: usize,
}

impl<'s> CopyOut<'s> {
    pub(super) fn new(session: &'s mut WireSession, is_binary: bool) -> Self {
        Self {
            session,
            is_binary,
            given: 0,
            open: 0,
            rows: None,
        }
    }

    /// Whether the rows come in binary form.
    pub fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// How many rows the server says it sent, once it has sent all.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The next run: whatever has arrived, 256 KiB at most; `None` at the end. A row of any size passes in parts.
    ///
    /// Cancel safe: no byte is lost if the future is dropped.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn next(&mut self) -> Result<Option<Run<'_>>, WireError> {
        self.session.inbox.take(std::mem::take(&mut self.given));
        if self.rows.is_some() {
            return Ok(None);
        }
        loop {
            let rest = self.open;
            let scanned = scan(self.session.inbox.arrived(), rest);
            let (given, open) =
                scanned.map_err(|error| WireError::frame(&self.session.server, error))?;
            if given > 0 {
                (self.given, self.open) = (given, open);
                let bytes = &self.session.inbox.arrived()[..given];
                return Ok(Some(Run { bytes, rest }));
            }
            let header = self.session.inbox.header();
            let header = header.map_err(|error| WireError::frame(&self.session.server, error))?;
            if rest > 0 || header.is_none_or(|header| header.tag == tag::COPY_DATA) {
                if !self.session.fill(0, None).await? {
                    return Err(self.session.timed_out());
                }
                continue;
            }
            let Some((tag, len, is_own)) = self.session.take_one(None).await? else {
                return Err(self.session.timed_out());
            };
            match tag {
                _ if is_own => {}
                tag::COPY_DONE => {
                    let tag = self.session.until_ready().await?;
                    self.rows = Some(rows::count(&tag));
                    return Ok(None);
                }
                tag::ERROR_RESPONSE => {
                    let error = ServerError::read(self.session.inbox.taken(len));
                    if !error.is_fatal() {
                        self.session.until_ready().await?;
                    }
                    return Err(refused(error));
                }
                other => return Err(self.session.unexpected(other)),
            }
        }
    }
}

/// How many of the first bytes are CopyData, `open` of them being the rest of one, and how many bytes of the last are
/// still to come.
fn scan(bytes: &[u8], open: usize) -> Result<(usize, usize), frame::FrameError> {
    let mut at = open;
    while let Some(rest) = bytes.get(at..) {
        match frame::header(rest)? {
            Some(header) if header.tag == tag::COPY_DATA => at += header.len,
            _ => return Ok((at, 0)),
        }
    }
    Ok((bytes.len(), at - bytes.len()))
}

impl<'a> Run<'a> {
    /// The bytes as they came, to be sent on as they are.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the messages hold, in order.
    pub fn pieces(&self) -> Pieces<'a> {
        Pieces {
            bytes: self.bytes,
            rest: self.rest,
        }
    }
}

impl std::fmt::Debug for Run<'_> {
    /// Without the bytes, which are rows.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Run({} bytes)", self.bytes.len())
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest == 0 {
            let header = frame::header(self.bytes).ok().flatten()?;
            self.bytes = &self.bytes[HEADER..];
            self.rest = header.len - HEADER;
        } else if self.bytes.is_empty() {
            return None;
        }
        let count = self.rest.min(self.bytes.len());
        let (bytes, behind) = self.bytes.split_at(count);
        (self.bytes, self.rest) = (behind, self.rest - count);
        // Of a message whose header ends the run there is nothing yet.
        let is_last = self.rest == 0;
        (is_last || !bytes.is_empty()).then_some(Piece { bytes, is_last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short");
        [&b"d"[..], &length.to_be_bytes(), body].concat()
    }

    /// Cuts a stream into runs as they would be given when `sizes` bytes arrive at a time.
    fn rows(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        let (mut at, mut arrived, mut open) = (0, 0, 0);
        while at < stream.len() {
            arrived = (arrived + size).min(stream.len());
            let (given, left) = scan(&stream[at..arrived], open).expect("well formed");
            let run = Run {
                bytes: &stream[at..at + given],
                rest: open,
            };
            for piece in run.pieces() {
                row.extend_from_slice(piece.bytes);
                if piece.is_last {
                    rows.push(std::mem::take(&mut row));
                }
            }
            (at, open) = (at + given, left);
        }
        rows
    }

    #[test]
    fn rows_are_whole_however_the_stream_is_cut() {
        let expected = [&b"one"[..], b"", b"a longer row", b"x"];
        let stream: Vec<u8> = expected.iter().flat_map(|body| message(body)).collect();

        for size in 1..=stream.len() {
            assert_eq!(rows(&stream, size), expected, "{size} bytes at a time");
        }
    }

    #[test]
    fn what_is_no_row_ends_a_run() {
        let mut stream = message(b"row");
        let rows = stream.len();
        stream.extend_from_slice(b"c\0\0\0\x04");

        assert_eq!(scan(&stream, 0).expect("well formed"), (rows, 0));
        assert_eq!(scan(&stream[rows..], 0).expect("well formed"), (0, 0));
        assert_eq!(
            scan(&stream[..rows - 1], 0).expect("well formed"),
            (rows - 1, 1)
        );
    }
}
