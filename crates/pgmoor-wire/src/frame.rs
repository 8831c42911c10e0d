//! Where one message ends and the next begins. It does not look into bodies.

use crate::SqlState;

/// The largest length word that is believed or written: PostgreSQL's own limit, 1 GiB - 1.
pub const MAX_MESSAGE: usize = 0x3fff_ffff;

/// Tag and length word.
pub const HEADER: usize = 5;

/// A message's tag and its whole length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The first byte, see [`crate::tag`].
    pub tag: u8,
    /// Bytes of the whole message, tag and length word included: at least 5.
    pub len: usize,
}

/// A length word that no PostgreSQL sends; the connection cannot be followed any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length word is smaller than itself.
    #[error("message {tag:?} has the impossible length {length}", tag = char::from(*.tag))]
    TooShort {
        /// The message's tag.
        tag: u8,
        /// The length word.
        length: u32,
    },
    /// The length word is larger than [`MAX_MESSAGE`], or negative.
    #[error("message {tag:?} has the length {length}, more than {MAX_MESSAGE}", tag = char::from(*.tag))]
    TooLong {
        /// The message's tag.
        tag: u8,
        /// The length word.
        length: u32,
    },
}

impl FrameError {
    /// The code that a client is told.
    pub fn sqlstate(&self) -> SqlState {
        SqlState::PROTOCOL_VIOLATION
    }
}

/// Reads the header at the start of `buf`; `None` while there are fewer than five bytes.
///
/// # Errors
///
/// [`FrameError`] if the length word is less than 4 or more than [`MAX_MESSAGE`].
#[inline]
pub fn header(buf: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some(&[tag, a, b, c, d]) = buf.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length.wrapping_sub(4) > const { MAX_MESSAGE as u32 - 4 } {
        return Err(refuse(tag, length));
    }
    // Does not wrap: checked two lines above.
    let len = length as usize + 1;
    Ok(Some(Header { tag, len }))
}

#[cold]
fn refuse(tag: u8, length: u32) -> FrameError {
    if length < 4 {
        FrameError::TooShort { tag, length }
    } else {
        FrameError::TooLong { tag, length }
    }
}

/// Splits the first whole message off `buf`: its header, its body and what follows it.
///
/// `None` while the message is not complete.
///
/// # Errors
///
/// As [`header`].
#[inline]
#[allow(clippy::type_complexity)]
pub fn split(buf: &[u8]) -> Result<Option<(Header, &[u8], &[u8])>, FrameError> {
    let Some(header) = header(buf)? else {
        return Ok(None);
    };
    let Some((message, rest)) = buf.split_at_checked(header.len) else {
        return Ok(None);
    };
    Ok(message
        .split_at_checked(HEADER)
        .map(|(_, body)| (header, body, rest)))
}
