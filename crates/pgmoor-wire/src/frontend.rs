//! Messages that a client sends, after the first one.
//!
//! Decoders borrow from a whole message's body (what follows tag and length word) and check its
//! form, not its meaning. What a server has to judge anyway (a Bind's formats and values) is carried
//! as it came.

pub use crate::tag;

use crate::EncodeError;
use crate::read::{DecodeError, Reader};
use crate::write::message;

/// A statement to prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty is the unnamed statement.
    pub name: &'a [u8],
    /// Its text.
    pub query: &'a [u8],
    /// Raw: a 16-bit count, then as many 32-bit type OIDs.
    pub types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads the body of a [`tag::PARSE`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a string has no end or the types do not fill the rest.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Parse", body);
        let name = reader.cstr()?;
        let query = reader.cstr()?;
        let types = reader.remaining();
        // PostgreSQL reads it unsigned, too: a statement may have 65,535 parameters.
        let count = u16::from_be_bytes(reader.array()?);
        reader.bytes(usize::from(count) * 4)?;
        reader.end()?;
        Ok(Self { name, query, types })
    }
}

/// Values for a prepared statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal to make; empty is the unnamed portal.
    pub portal: &'a [u8],
    /// The statement to run.
    pub statement: &'a [u8],
    /// Raw: formats, values, result formats.
    pub rest: &'a [u8],
}

impl std::fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are the application's data.
        f.debug_struct("Bind")
            .field("portal", &self.portal)
            .field("statement", &self.statement)
            .finish_non_exhaustive()
    }
}

impl<'a> Bind<'a> {
    /// Reads the body of a [`tag::BIND`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a name has no end.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Bind", body);
        Ok(Self {
            portal: reader.cstr()?,
            statement: reader.cstr()?,
            rest: reader.remaining(),
        })
    }
}

/// What a Describe or a Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// [`tag::STATEMENT`] or [`tag::PORTAL`].
    pub kind: u8,
    /// Its name; empty is the unnamed one.
    pub name: &'a [u8],
}

impl<'a> Target<'a> {
    /// Reads the body of a [`tag::DESCRIBE`] or [`tag::CLOSE`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the kind is neither, or the name does not fill the rest.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Describe or Close", body);
        let kind = reader.u8()?;
        if kind != tag::STATEMENT && kind != tag::PORTAL {
            return Err(reader.error("it is about neither a statement nor a portal"));
        }
        let name = reader.cstr()?;
        reader.end()?;
        Ok(Self { kind, name })
    }
}

/// A portal to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal; empty is the unnamed one.
    pub portal: &'a [u8],
    /// At most so many rows; zero or less is all.
    pub max_rows: i32,
}

impl<'a> Execute<'a> {
    /// Reads the body of a [`tag::EXECUTE`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it has not exactly a name and a number.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Execute", body);
        let portal = reader.cstr()?;
        let max_rows = reader.i32()?;
        reader.end()?;
        Ok(Self { portal, max_rows })
    }
}

/// A simple query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Its text, without the NUL, in the client's encoding.
    pub text: &'a [u8],
}

impl<'a> Query<'a> {
    /// Reads the body of a [`tag::QUERY`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the text has no end or something follows it.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Query", body);
        let text = reader.cstr()?;
        reader.end()?;
        Ok(Self { text })
    }
}

/// A password, in clear text or as an MD5 answer.
#[derive(Clone, Copy)]
pub struct Password<'a> {
    /// What was sent, without the NUL.
    pub password: &'a [u8],
}

impl std::fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(***)")
    }
}

impl<'a> Password<'a> {
    /// Reads the body of a [`tag::PASSWORD`] message that answers a password request.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the password has no end or something follows it.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("PasswordMessage", body);
        let password = reader.cstr()?;
        reader.end()?;
        Ok(Self { password })
    }
}

/// The client's choice of a SASL mechanism, and its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism's name.
    pub mechanism: &'a str,
    /// The mechanism's first message, if there is one.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    /// Reads the body of a [`tag::PASSWORD`] message that answers a list of SASL mechanisms.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the name is not UTF-8, or the length is not that of the rest.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SASLInitialResponse", body);
        let mechanism = reader.str()?;
        let data = match reader.i32()? {
            -1 => None,
            length => {
                let Ok(length) = usize::try_from(length) else {
                    return Err(reader.error("a length is negative"));
                };
                Some(reader.bytes(length)?)
            }
        };
        reader.end()?;
        Ok(Self { mechanism, data })
    }
}

type Done = Result<(), EncodeError>;

/// Appends a simple query.
///
/// # Errors
///
/// [`EncodeError`], and nothing is appended, if the text is too long or holds a NUL. So do all
/// writers here that can fail.
pub fn write_query(out: &mut Vec<u8>, text: &str) -> Done {
    message(out, tag::QUERY, |body| body.cstr(text.as_bytes()))
}

/// Appends a statement to prepare; `types` is raw as in [`Parse::types`], or empty for none.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_parse(out: &mut Vec<u8>, name: &[u8], query: &[u8], types: &[u8]) -> Done {
    message(out, tag::PARSE, |body| {
        body.cstr(name)?;
        body.cstr(query)?;
        body.bytes(if types.is_empty() { &[0, 0] } else { types })
    })
}

/// Appends a Bind of other names with the formats and values as they came, see [`Bind::rest`].
///
/// # Errors
///
/// As [`write_query`].
pub fn write_bind_renamed(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest: &[u8]) -> Done {
    message(out, tag::BIND, |body| {
        body.cstr(portal)?;
        body.cstr(statement)?;
        body.bytes(rest)
    })
}

/// Appends a Bind of values as text, with a result as text; `None` is NULL.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_bind_text<V: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    portal: &[u8],
    statement: &[u8],
    values: &[Option<V>],
) -> Done {
    message(out, tag::BIND, |body| {
        body.cstr(portal)?;
        body.cstr(statement)?;
        body.i16(0)?; // all values as text
        body.values(values)?;
        body.i16(0) // the result as text
    })
}

/// Appends a Describe of a [`tag::STATEMENT`] or [`tag::PORTAL`].
///
/// # Errors
///
/// As [`write_query`].
pub fn write_describe(out: &mut Vec<u8>, kind: u8, name: &[u8]) -> Done {
    message(out, tag::DESCRIBE, |body| {
        body.u8(kind)?;
        body.cstr(name)
    })
}

/// Appends a Close of a [`tag::STATEMENT`] or [`tag::PORTAL`].
///
/// # Errors
///
/// As [`write_query`].
pub fn write_close(out: &mut Vec<u8>, kind: u8, name: &[u8]) -> Done {
    message(out, tag::CLOSE, |body| {
        body.u8(kind)?;
        body.cstr(name)
    })
}

/// Appends an Execute; `max_rows` 0 is all.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_execute(out: &mut Vec<u8>, portal: &[u8], max_rows: i32) -> Done {
    message(out, tag::EXECUTE, |body| {
        body.cstr(portal)?;
        body.i32(max_rows)
    })
}

/// Appends a Sync.
pub fn write_sync(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::SYNC, 0, 0, 0, 4]);
}

/// Appends a Flush.
pub fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::FLUSH, 0, 0, 0, 4]);
}

/// Appends a Terminate.
pub fn write_terminate(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::TERMINATE, 0, 0, 0, 4]);
}

/// Appends the end of copy data.
pub fn write_copy_done(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::COPY_DONE, 0, 0, 0, 4]);
}

/// Appends a CopyFail with its reason.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_copy_fail(out: &mut Vec<u8>, reason: &str) -> Done {
    message(out, tag::COPY_FAIL, |body| body.cstr(reason.as_bytes()))
}

/// Appends a password, or the answer that [`crate::md5::hash`] gives.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_password(out: &mut Vec<u8>, password: &[u8]) -> Done {
    message(out, tag::PASSWORD, |body| body.cstr(password))
}

/// Appends the choice of a SASL mechanism with its first message.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_sasl_initial(out: &mut Vec<u8>, mechanism: &str, data: Option<&[u8]>) -> Done {
    message(out, tag::PASSWORD, |body| {
        body.cstr(mechanism.as_bytes())?;
        match data {
            Some(data) => body.sized(data),
            None => body.i32(-1),
        }
    })
}

/// Appends a further message of a SASL mechanism.
///
/// # Errors
///
/// As [`write_query`].
pub fn write_sasl_response(out: &mut Vec<u8>, data: &[u8]) -> Done {
    message(out, tag::PASSWORD, |body| body.bytes(data))
}
