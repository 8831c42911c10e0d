//! Errors and notices. Reading one never fails: what a broken server left out is missing, no more.

use std::borrow::Cow;
use std::fmt;

use super::tag;
use crate::SqlState;
use crate::read::Reader;
use crate::write::{Body, message};

/// How grave an error or notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed.
    Error,
    /// The session ends.
    Fatal,
    /// All sessions end.
    Panic,
    /// Something to look after.
    Warning,
    /// Something to know.
    Notice,
    /// Something to know, also for those who asked for less.
    Info,
    /// For the server's log.
    Log,
    /// For those who look for a fault.
    Debug,
}

impl Severity {
    /// PostgreSQL's word, not translated.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Log => "LOG",
            Self::Debug => "DEBUG",
        }
    }
}

/// An error or notice to send.
///
/// ```
/// use pgmoor_wire::{SqlState, backend::ErrorFields};
/// let mut out = Vec::new();
/// ErrorFields::fatal(SqlState::TOO_MANY_CONNECTIONS, "no more client connections allowed")
///     .hint("raise max_client_connections")
///     .write_error(&mut out);
/// assert_eq!(out[0], b'E');
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    /// How grave it is.
    pub severity: Severity,
    /// Its code.
    pub sqlstate: SqlState,
    /// What happened, in one line.
    pub message: Cow<'a, str>,
    /// What else there is to say.
    pub detail: Option<Cow<'a, str>>,
    /// What to do.
    pub hint: Option<Cow<'a, str>>,
    /// Where in the query text, in characters from 1.
    pub position: Option<u32>,
    /// In what context it happened (`where`).
    pub context: Option<Cow<'a, str>>,
}

// No text of ours needs more; it keeps every error far below the limit of a message.
const MAX_FIELD: usize = 64 * 1024;

impl<'a> ErrorFields<'a> {
    /// An error or notice with nothing but what each must have.
    pub fn new(severity: Severity, sqlstate: SqlState, message: impl Into<Cow<'a, str>>) -> Self {
        Self {
            severity,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
        }
    }

    /// An error after which the session goes on.
    pub fn error(sqlstate: SqlState, message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Severity::Error, sqlstate, message)
    }

    /// An error with which the session ends.
    pub fn fatal(sqlstate: SqlState, message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Severity::Fatal, sqlstate, message)
    }

    /// Adds what else there is to say.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'a, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'a, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where in the query text, in characters from 1.
    #[must_use]
    pub fn position(mut self, position: u32) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds in what context it happened.
    #[must_use]
    pub fn context(mut self, context: impl Into<Cow<'a, str>>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Appends it as an ErrorResponse; NUL bytes are left out and fields cut at 64 KiB.
    pub fn write_error(&self, out: &mut Vec<u8>) {
        self.write(out, tag::ERROR_RESPONSE);
    }

    /// Appends it as a NoticeResponse; NUL bytes are left out and fields cut at 64 KiB.
    pub fn write_notice(&self, out: &mut Vec<u8>) {
        self.write(out, tag::NOTICE_RESPONSE);
    }

    fn write(&self, out: &mut Vec<u8>, tag: u8) {
        let severity = self.severity.as_str();
        let position = self
            .position
            .map(|position| Cow::from(position.to_string()));
        let written = message(out, tag, |body| {
            field(body, b'S', Some(severity))?;
            field(body, b'V', Some(severity))?;
            field(body, b'C', Some(self.sqlstate.as_str()))?;
            field(body, b'M', Some(&self.message))?;
            field(body, b'D', self.detail.as_deref())?;
            field(body, b'H', self.hint.as_deref())?;
            field(body, b'P', position.as_deref())?;
            field(body, b'W', self.context.as_deref())?;
            body.u8(0)
        });
        debug_assert!(written.is_ok(), "fields are short and hold no NUL");
    }
}

fn field(body: &mut Body<'_>, code: u8, value: Option<&str>) -> Result<(), crate::EncodeError> {
    let Some(value) = value else {
        return Ok(());
    };
    let end = value.floor_char_boundary(MAX_FIELD);
    let value = value.get(..end).unwrap_or_default();
    body.u8(code)?;
    if value.contains('\0') {
        body.cstr(value.replace('\0', "").as_bytes())
    } else {
        body.cstr(value.as_bytes())
    }
}

/// An error or notice as it came, whatever is missing from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorView<'a> {
    body: &'a [u8],
}

impl<'a> ErrorView<'a> {
    /// Looks at the body of a [`tag::ERROR_RESPONSE`] or [`tag::NOTICE_RESPONSE`] message.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// The same under the name that the other decoders have.
    pub fn decode(body: &'a [u8]) -> Self {
        Self::new(body)
    }

    /// All fields that can be read: code and value.
    pub fn fields(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut reader = Reader::new("ErrorResponse", self.body);
        std::iter::from_fn(move || match reader.u8() {
            Ok(0) | Err(_) => None,
            Ok(code) => reader.cstr().ok().map(|value| (code, value)),
        })
    }

    /// The field with this code, in the server's encoding.
    pub fn field(self, code: u8) -> Option<&'a [u8]> {
        self.fields()
            .find_map(|(found, value)| (found == code).then_some(value))
    }

    fn text(self, code: u8) -> Option<Cow<'a, str>> {
        self.field(code).map(String::from_utf8_lossy)
    }

    /// How grave it is: PostgreSQL's word, not translated if the server is 9.6 or newer.
    pub fn severity(self) -> Option<Cow<'a, str>> {
        self.text(b'V').or_else(|| self.text(b'S'))
    }

    /// Whether the server ends the session with it.
    pub fn is_fatal(self) -> bool {
        matches!(self.severity().as_deref(), Some("FATAL" | "PANIC"))
    }

    /// Whether it says that the server is about to close the connection: SQLSTATE `57P01` to `57P05`.
    pub fn is_shutdown(self) -> bool {
        self.sqlstate()
            .is_some_and(|state| state.as_str().starts_with("57P"))
    }

    /// Its code, if the server sent a proper one.
    pub fn sqlstate(self) -> Option<SqlState> {
        self.field(b'C').and_then(SqlState::parse)
    }

    /// What happened; empty if the server did not say.
    pub fn message(self) -> Cow<'a, str> {
        self.text(b'M').unwrap_or_default()
    }

    /// What else there is to say.
    pub fn detail(self) -> Option<Cow<'a, str>> {
        self.text(b'D')
    }

    /// What to do.
    pub fn hint(self) -> Option<Cow<'a, str>> {
        self.text(b'H')
    }
}

impl fmt::Display for ErrorView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message();
        let message = if message.is_empty() {
            "the server gave no message"
        } else {
            &message
        };
        match self.sqlstate() {
            Some(code) => write!(f, "{message} ({code})"),
            None => f.write_str(message),
        }
    }
}

impl fmt::Debug for ErrorView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Detail may hold row data.
        write!(f, "ErrorView({:?}, {:?})", self.sqlstate(), self.message())
    }
}
