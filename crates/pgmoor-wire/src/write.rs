//! Appends one message to a buffer, or nothing at all.
//!
//! A length is counted before it is written: a message that does not fit is refused, never wrapped
//! into a smaller number (that is how bytes of a value become messages of their own).

use crate::frame::MAX_MESSAGE;

/// A message cannot be written as the protocol wants it; the buffer is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message would be longer than [`MAX_MESSAGE`].
    #[error("cannot write a message longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// A string holds a NUL byte, which would end it early.
    #[error("cannot write a string that holds a NUL byte")]
    Nul,
    /// A startup parameter without a name, which would end the list early.
    #[error("cannot write a startup parameter without a name")]
    NoName,
    /// More columns, types or values than a 16-bit count can tell.
    #[error("cannot write more than 65535 items in one message")]
    TooMany,
    /// A cancel key that is not 4 to 256 bytes long.
    #[error("cannot write a cancel key that is not 4 to 256 bytes long")]
    KeyLength,
}

type Done = Result<(), EncodeError>;

/// The body under construction; `start` is where the message's length word stands.
pub(crate) struct Body<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

/// Appends a message with a tag.
#[inline]
pub(crate) fn message(
    out: &mut Vec<u8>,
    tag: u8,
    fill: impl FnOnce(&mut Body<'_>) -> Done,
) -> Done {
    let before = out.len();
    out.push(tag);
    let done = untagged(out, fill);
    if done.is_err() {
        out.truncate(before);
    }
    done
}

/// Appends a message that has only a length, as those before the login do.
pub(crate) fn untagged(out: &mut Vec<u8>, fill: impl FnOnce(&mut Body<'_>) -> Done) -> Done {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let done = fill(&mut Body { out, start });
    let length = i32::try_from(out.len().saturating_sub(start));
    match (done, length, out.get_mut(start..start.saturating_add(4))) {
        (Ok(()), Ok(length), Some(word)) => {
            word.copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        (done, ..) => {
            out.truncate(start);
            done.and(Err(EncodeError::TooLong))
        }
    }
}

impl Body<'_> {
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Done {
        self.room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(crate) fn u8(&mut self, byte: u8) -> Done {
        self.bytes(&[byte])
    }

    #[inline]
    pub(crate) fn i16(&mut self, value: i16) -> Done {
        self.bytes(&value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn i32(&mut self, value: i32) -> Done {
        self.bytes(&value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn cstr(&mut self, text: &[u8]) -> Done {
        self.room(text.len().saturating_add(1))?;
        if memchr::memchr(0, text).is_some() {
            return Err(EncodeError::Nul);
        }
        self.out.extend_from_slice(text);
        self.out.push(0);
        Ok(())
    }

    /// A 16-bit count of what follows.
    pub(crate) fn count(&mut self, count: usize) -> Done {
        let count = u16::try_from(count).map_err(|_| EncodeError::TooMany)?;
        self.bytes(&count.to_be_bytes())
    }

    /// A value with its 32-bit length before it.
    pub(crate) fn sized(&mut self, value: &[u8]) -> Done {
        self.room(value.len().saturating_add(4))?;
        let length = i32::try_from(value.len()).map_err(|_| EncodeError::TooLong)?;
        self.i32(length)?;
        self.bytes(value)
    }

    /// Counted values, each with its length; NULL has the length -1.
    pub(crate) fn values<V: AsRef<[u8]>>(&mut self, values: &[Option<V>]) -> Done {
        self.count(values.len())?;
        for value in values {
            match value {
                Some(value) => self.sized(value.as_ref())?,
                None => self.i32(-1)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn room(&self, more: usize) -> Done {
        let now = self.out.len().saturating_sub(self.start);
        if now.saturating_add(more) > MAX_MESSAGE {
            return Err(EncodeError::TooLong);
        }
        Ok(())
    }
}
