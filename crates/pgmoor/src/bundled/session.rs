//! A session of the superuser over the Unix socket, for the few statements of a start.
//!
//! The kernel vouches for us, so there is no login to speak of. It is no general client: simple
//! queries, text, one after the other.

use std::fmt;
use std::path::Path;

use pgmoor_wire::backend::{Authentication, ErrorView};
use pgmoor_wire::{frame, frontend, startup, tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::conf::SUPERUSER;

/// Nothing that is asked here has a longer answer.
const MAX_ANSWER: usize = 1 << 20;

pub(crate) type Row = Vec<Option<String>>;

/// The server's message, or why there is none.
#[derive(Debug)]
pub(crate) struct SessionError(String);

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn broken(problem: impl fmt::Display) -> SessionError {
    SessionError(format!("the connection broke: {problem}"))
}

pub(crate) struct Session {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Session {
    /// Logs in as the superuser.
    pub(crate) async fn connect(socket_dir: &Path, port: u16) -> Result<Self, SessionError> {
        let socket = socket_dir.join(format!(".s.PGSQL.{port}"));
        let stream = UnixStream::connect(socket).await.map_err(broken)?;
        let mut session = Self {
            stream,
            buffer: Vec::new(),
        };
        let mut out = Vec::new();
        let parameters = [
            ("user", SUPERUSER),
            ("database", "postgres"),
            ("application_name", "pgmoor"),
            ("client_encoding", "UTF8"),
        ];
        startup::write_startup(&mut out, 0, parameters).map_err(broken)?;
        session.exchange(&out).await?;
        // Whatever the operator logs, passwords are not part of it.
        session
            .query(
                "SET search_path = ''; SET log_statement = 'none'; \
                 SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'",
            )
            .await?;
        Ok(session)
    }

    /// Runs `sql` and returns all its rows.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, SessionError> {
        let mut out = Vec::new();
        frontend::write_query(&mut out, sql).map_err(broken)?;
        self.exchange(&out).await
    }

    /// Sends, and reads until the server is ready for more.
    async fn exchange(&mut self, out: &[u8]) -> Result<Vec<Row>, SessionError> {
        self.stream.write_all(out).await.map_err(broken)?;
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            while let Some((header, body, rest)) = frame::split(&self.buffer).map_err(broken)? {
                let after = self.buffer.len() - rest.len();
                let is_ready = header.tag == tag::READY_FOR_QUERY;
                match header.tag {
                    tag::AUTHENTICATION => check_login(body)?,
                    tag::DATA_ROW => rows.push(row(body).ok_or_else(|| broken("bad row"))?),
                    tag::ERROR_RESPONSE => {
                        let view = ErrorView::decode(body);
                        let text = SessionError(view.message().into_owned());
                        if view.is_fatal() {
                            return Err(text);
                        }
                        error = Some(text);
                    }
                    _ => {}
                }
                self.buffer.drain(..after);
                if is_ready {
                    return error.map_or(Ok(rows), Err);
                }
            }
            if self.buffer.len() > MAX_ANSWER {
                return Err(broken("the answer is too long"));
            }
            if self
                .stream
                .read_buf(&mut self.buffer)
                .await
                .map_err(broken)?
                == 0
            {
                return Err(broken("the server closed it"));
            }
        }
    }
}

fn check_login(body: &[u8]) -> Result<(), SessionError> {
    match Authentication::decode(body).map_err(broken)? {
        Authentication::Ok => Ok(()),
        _ => Err(SessionError(
            "the server asks the superuser for a password".to_owned(),
        )),
    }
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            values.push(None);
            continue;
        }
        let (value, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        values.push(Some(String::from_utf8_lossy(value).into_owned()));
    }
    Some(values)
}

/// An identifier, quoted.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant that means the same with every setting of `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!(
        "{escape}'{}'",
        text.replace('\\', "\\\\").replace('\'', "''")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        assert_eq!(identifier("a\"b';--"), "\"a\"\"b';--\"");
        assert_eq!(literal("a\"b';--"), "'a\"b'';--'");
        assert_eq!(literal("a\\'"), "E'a\\\\'''");
    }

    #[test]
    fn rows_are_read_and_cut_ones_refused() {
        let body = [0, 2, 0, 0, 0, 2, b'h', b'i', 0xff, 0xff, 0xff, 0xff];

        assert_eq!(row(&body), Some(vec![Some("hi".to_owned()), None]));
        assert!((0..body.len()).all(|end| row(&body[..end]).is_none()));
    }
}
