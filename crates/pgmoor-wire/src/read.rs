//! A cursor over one message's body that cannot run past its end.

use crate::SqlState;

/// A message does not have the form that the protocol gives it.
///
/// It names the message and what is wrong, never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {message} message: {reason}")]
pub struct DecodeError {
    /// The message's name in PostgreSQL's protocol chapter.
    pub message: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl DecodeError {
    /// The code that a client is told.
    pub fn sqlstate(&self) -> SqlState {
        SqlState::PROTOCOL_VIOLATION
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl std::fmt::Debug for Reader<'_> {
    /// Without the bytes, which may be anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of {}", self.rest.len(), self.message)
    }
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self {
            rest: body,
            message,
        }
    }

    #[cold]
    pub(crate) fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError {
            message: self.message,
            reason,
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.error("it ends too early"));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error("it ends too early"));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A NUL-terminated string, without its NUL.
    #[inline]
    pub(crate) fn cstr(&mut self) -> Result<&'a [u8], DecodeError> {
        let end = memchr::memchr(0, self.rest);
        let Some((text, rest)) = end.and_then(|at| self.rest.split_at_checked(at)) else {
            return Err(self.error("a string has no end"));
        };
        self.rest = rest.split_first().map_or(&[], |(_, rest)| rest);
        Ok(text)
    }

    /// A NUL-terminated string that must be UTF-8.
    pub(crate) fn str(&mut self) -> Result<&'a str, DecodeError> {
        let text = self.cstr()?;
        std::str::from_utf8(text).map_err(|_| self.error("a string is not UTF-8"))
    }

    #[inline]
    pub(crate) fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error("bytes are left over at its end"))
        }
    }
}
