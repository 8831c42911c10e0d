//! Messages that a server sends.
//!
//! Decoders borrow from a whole message's body (what follows tag and length word). Rows and copy
//! data are never looked into: they are forwarded as they came.

mod authentication;
mod error;
mod row;
mod write;

pub use crate::tag;
pub use authentication::{Authentication, Mechanisms};
pub use error::{ErrorFields, ErrorView, Severity};
pub use row::DataRow;
pub use write::{
    Column, write_auth_cleartext, write_auth_md5, write_auth_ok, write_auth_sasl,
    write_auth_sasl_continue, write_auth_sasl_final, write_backend_key, write_bind_complete,
    write_close_complete, write_command_complete, write_data_row_text, write_empty_query,
    write_negotiate_protocol, write_no_data, write_parameter_status, write_parse_complete,
    write_ready, write_row_description, write_row_description_text,
};

use std::borrow::Cow;

use crate::read::{DecodeError, Reader};
use crate::startup::KEY_LENGTHS;

/// Where a session stands when its server waits for the next query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no transaction.
    Idle,
    /// In a transaction.
    InTransaction,
    /// In a transaction that can only be rolled back.
    Failed,
}

impl TransactionStatus {
    /// Reads the body of a [`tag::READY_FOR_QUERY`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is not one byte of `I`, `T` and `E`.
    #[inline]
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Reader::new("ReadyForQuery", body).error("its status is none of I, T and E")),
        }
    }

    /// The byte that stands for it.
    #[inline]
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// A setting that the server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting's name.
    pub name: &'a str,
    /// Its value, in the server's encoding.
    pub value: &'a [u8],
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body of a [`tag::PARAMETER_STATUS`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it has not exactly two strings, or the name is not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("ParameterStatus", body);
        let name = reader.str()?;
        let value = reader.cstr()?;
        reader.end()?;
        Ok(Self { name, value })
    }

    /// The value as text; what is not UTF-8 becomes a replacement character.
    pub fn value_str(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.value)
    }
}

/// What a client needs to cancel this session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKey<'a> {
    /// The process number.
    pub pid: i32,
    /// The key: 4 to 256 bytes.
    pub secret: &'a [u8],
}

impl std::fmt::Debug for BackendKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackendKey {{ pid: {}, secret: *** }}", self.pid)
    }
}

impl<'a> BackendKey<'a> {
    /// Reads the body of a [`tag::BACKEND_KEY_DATA`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the key is not 4 to 256 bytes long.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("BackendKeyData", body);
        let pid = reader.i32()?;
        let secret = reader.remaining();
        if !KEY_LENGTHS.contains(&secret.len()) {
            return Err(reader.error("the cancel key is not 4 to 256 bytes long"));
        }
        Ok(Self { pid, secret })
    }
}

/// A command is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    /// The command tag, `INSERT 0 1`.
    pub tag: &'a [u8],
}

impl<'a> CommandComplete<'a> {
    /// Reads the body of a [`tag::COMMAND_COMPLETE`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the command tag has no end or something follows it.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("CommandComplete", body);
        let tag = reader.cstr()?;
        reader.end()?;
        Ok(Self { tag })
    }
}

/// The server speaks an older minor version, or does not know some protocol options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiateProtocol<'a> {
    /// Major version.
    pub major: u16,
    /// The newest minor version that the server speaks.
    pub minor: u16,
    /// The options that it does not know.
    pub unknown: Vec<&'a str>,
}

impl<'a> NegotiateProtocol<'a> {
    /// Reads the body of a [`tag::NEGOTIATE_PROTOCOL_VERSION`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the options are not as many as it says, or not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("NegotiateProtocolVersion", body);
        let major = u16::from_be_bytes(reader.array()?);
        let minor = u16::from_be_bytes(reader.array()?);
        let count = reader.i32()?;
        if count < 0 {
            return Err(reader.error("a count is negative"));
        }
        let mut unknown = Vec::new();
        // Grows with what is there, not with what the count says.
        for _ in 0..count {
            unknown.push(reader.str()?);
        }
        reader.end()?;
        Ok(Self {
            major,
            minor,
            unknown,
        })
    }
}
