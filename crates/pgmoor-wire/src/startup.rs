//! The first message of a connection: it has no tag, and decides what the connection is.
//!
//! It does not decide what to answer: an unknown minor version, an unknown `_pq_.` option or a
//! foreign major version is told to the caller, who negotiates or refuses.

use std::fmt;

use crate::read::{DecodeError, Reader};
use crate::write::untagged;
use crate::{EncodeError, SqlState};

/// The longest first message that PostgreSQL takes.
pub const MAX_STARTUP: usize = 10_000;

/// How long a cancel key may be (exactly 4 bytes before protocol 3.2).
pub const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 4..=256;

/// The only major version of the protocol that is still spoken.
pub const MAJOR: u16 = 3;

// Requests that are not a session carry this in place of a major version.
const REQUEST: u16 = 1234;
const CANCEL: u16 = 5678;
const SSL: u16 = 5679;
const GSSENC: u16 = 5680;

/// What a client asks for with its first message.
#[derive(Clone, PartialEq, Eq)]
pub enum Startup {
    /// TLS, please; answered by one byte.
    Ssl,
    /// GSSAPI encryption, please; answered by one byte.
    GssEnc,
    /// Cancel what the session with this key runs; never answered.
    Cancel {
        /// The process number that BackendKeyData told.
        pid: i32,
        /// The key that BackendKeyData told: 4 to 256 bytes.
        secret: Vec<u8>,
    },
    /// A session.
    Start(StartupMessage),
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssl => f.write_str("Ssl"),
            Self::GssEnc => f.write_str("GssEnc"),
            // Who knows the key can cancel.
            Self::Cancel { pid, .. } => write!(f, "Cancel {{ pid: {pid}, secret: *** }}"),
            Self::Start(message) => message.fmt(f),
        }
    }
}

/// The start of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupMessage {
    /// Major version; if it is not [`MAJOR`], no parameters were read.
    pub major: u16,
    /// Minor version, as asked for: it may be one that does not exist.
    pub minor: u16,
    /// Names and values in the order sent, `user` and `database` among them.
    pub parameters: Vec<(String, String)>,
}

/// What a client means by its `replication` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// An ordinary session.
    No,
    /// A walsender without a database.
    Physical,
    /// A walsender on a database, that takes SQL too.
    Logical,
}

impl StartupMessage {
    /// The last value sent under this name; the last one counts in PostgreSQL too.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut last_first = self.parameters.iter().rev();
        last_first
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Who logs in; `None` if it was not said or is empty.
    pub fn user(&self) -> Option<&str> {
        self.get("user").filter(|user| !user.is_empty())
    }

    /// The database asked for, which is the user's name if it was not said.
    pub fn database(&self) -> Option<&str> {
        let named = self.get("database").filter(|name| !name.is_empty());
        named.or_else(|| self.user())
    }

    /// Whether this is a replication connection.
    ///
    /// # Errors
    ///
    /// [`StartupError::Replication`] if the value is neither `database` nor a boolean.
    pub fn replication(&self) -> Result<Replication, StartupError> {
        match self.get("replication") {
            None => Ok(Replication::No),
            Some("database") => Ok(Replication::Logical),
            Some(value) => match parse_bool(value) {
                Some(true) => Ok(Replication::Physical),
                Some(false) => Ok(Replication::No),
                None => Err(StartupError::Replication),
            },
        }
    }

    /// Protocol extensions asked for: the parameters whose name starts with `_pq_.`.
    pub fn protocol_options(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.parameters.iter();
        all.filter(|(name, _)| name.starts_with("_pq_."))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

// PostgreSQL's parse_bool: any clear beginning of a word, in any case.
fn parse_bool(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if value == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Some(true)
    } else if value == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

/// The first message is none of PostgreSQL's; the connection ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// The length word is too small for any first message.
    #[error("first message has the impossible length {0}")]
    TooShort(u32),
    /// The length word is larger than the limit; also what HTTP, TLS or SSH look like.
    #[error("first message has the length {length}, more than {limit}")]
    TooLong {
        /// The length word.
        length: u32,
        /// The limit.
        limit: usize,
    },
    /// A request code 1234.x that does not exist.
    #[error("unknown request code 1234.{0}")]
    UnknownRequest(u16),
    /// The message does not have the form of its kind.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// `replication` is neither `database` nor a boolean.
    #[error("startup parameter \"replication\" is neither a boolean nor \"database\"")]
    Replication,
}

impl StartupError {
    /// The code that a client is told.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::TooShort(_)
            | Self::TooLong { .. }
            | Self::UnknownRequest(_)
            | Self::Malformed(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Replication => SqlState::INVALID_PARAMETER_VALUE,
        }
    }
}

/// Reads the first message at the start of `buf` and tells how many bytes it has.
///
/// `None` while the message is not complete; a bad length is told as soon as its four bytes are
/// there. Nothing is allocated before the message is complete, and never more than its length.
///
/// # Errors
///
/// [`StartupError`]: a length under 8 or over `limit`, an unknown request, a lying body.
pub fn parse(buf: &[u8], limit: usize) -> Result<Option<(Startup, usize)>, StartupError> {
    let Some(word) = buf.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*word);
    if length < 8 {
        return Err(StartupError::TooShort(length));
    }
    let len = length as usize;
    if len > limit {
        return Err(StartupError::TooLong { length, limit });
    }
    let Some((message, _)) = buf.split_at_checked(len) else {
        return Ok(None);
    };

    let mut reader = Reader::new("startup", message);
    reader.bytes(4)?;
    let major = u16::from_be_bytes(reader.array()?);
    let minor = u16::from_be_bytes(reader.array()?);
    let startup = match (major, minor) {
        (REQUEST, SSL) => {
            reader.end()?;
            Startup::Ssl
        }
        (REQUEST, GSSENC) => {
            reader.end()?;
            Startup::GssEnc
        }
        (REQUEST, CANCEL) => cancel(reader)?,
        (REQUEST, other) => return Err(StartupError::UnknownRequest(other)),
        (major, minor) => Startup::Start(StartupMessage {
            major,
            minor,
            // Other majors have other bodies.
            parameters: if major == MAJOR {
                parameters(reader)?
            } else {
                Vec::new()
            },
        }),
    };
    Ok(Some((startup, len)))
}

fn cancel(mut reader: Reader<'_>) -> Result<Startup, DecodeError> {
    let pid = reader.i32()?;
    let secret = reader.remaining().to_vec();
    if !KEY_LENGTHS.contains(&secret.len()) {
        return Err(reader.error("the cancel key is not 4 to 256 bytes long"));
    }
    Ok(Startup::Cancel { pid, secret })
}

fn parameters(mut reader: Reader<'_>) -> Result<Vec<(String, String)>, DecodeError> {
    let mut parameters = Vec::new();
    loop {
        let name = reader.str()?;
        if name.is_empty() {
            reader.end()?;
            return Ok(parameters);
        }
        parameters.push((name.to_owned(), reader.str()?.to_owned()));
    }
}

/// Appends the start of a session in protocol 3.`minor`.
///
/// # Errors
///
/// [`EncodeError`] if a name or value holds a NUL, or a name is empty.
pub fn write_startup<'a>(
    out: &mut Vec<u8>,
    minor: u16,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), EncodeError> {
    untagged(out, |body| {
        body.bytes(&MAJOR.to_be_bytes())?;
        body.bytes(&minor.to_be_bytes())?;
        for (name, value) in parameters {
            if name.is_empty() {
                return Err(EncodeError::NoName);
            }
            body.cstr(name.as_bytes())?;
            body.cstr(value.as_bytes())?;
        }
        body.u8(0)
    })
}

/// Appends the request for TLS.
pub fn write_ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&REQUEST.to_be_bytes());
    out.extend_from_slice(&SSL.to_be_bytes());
}

/// Appends a request to cancel what the session with this key runs.
///
/// # Errors
///
/// [`EncodeError::KeyLength`] if the key is not 4 to 256 bytes long.
pub fn write_cancel(out: &mut Vec<u8>, pid: i32, secret: &[u8]) -> Result<(), EncodeError> {
    if !KEY_LENGTHS.contains(&secret.len()) {
        return Err(EncodeError::KeyLength);
    }
    untagged(out, |body| {
        body.bytes(&REQUEST.to_be_bytes())?;
        body.bytes(&CANCEL.to_be_bytes())?;
        body.i32(pid)?;
        body.bytes(secret)
    })
}
