//! What the server itself knows of a user: its verifier, or whether a password is right.

use std::time::{Duration, Instant};

use pgmoor::Secret;
use pgmoor::connector::{self, Connection};
use pgmoor::error::ErrorKind;
use pgmoor_wire::scram::Verifier;
use pgmoor_wire::{frame, frontend, sqlstate, tag};
use tracing::warn;

use super::refusal::Refusal;
use crate::endpoint::{Endpoint, own_name};

/// More of an answer than this is not taken, in bytes: a verifier has 133.
const MAX_ANSWER: usize = 16 << 10;

/// What the server has for a user.
pub(crate) enum Found {
    Verifier(Verifier),
    /// There is no such user, or it may not log in.
    Nobody {
        /// What the server's users are asked for, where it tells.
        iterations: Option<u32>,
    },
}

/// Who is asked about users that are not listed.
pub(crate) trait Lookup {
    /// The user's verifier.
    async fn verifier(&mut self, user: &str) -> Result<Found, Refusal>;

    /// Whether the user may log in with this password.
    async fn check(&mut self, user: &str, password: &Secret<String>) -> Result<(), Refusal>;
}

/// One question for one login: nothing is cached, so that a changed password, an expired one and a
/// dropped user count at once.
///
/// Questions have connections of their own, a few at a time: whoever can reach the gateway can
/// cause them, and must not use up the server's connections by that.
pub(crate) struct ServerLookup<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) dbname: String,
    pub(crate) query: &'a str,
    pub(crate) limit: Duration,
}

impl Lookup for ServerLookup<'_> {
    async fn verifier(&mut self, user: &str) -> Result<Found, Refusal> {
        let unavailable = |why: String| {
            warn!(endpoint = %self.endpoint.name, why, "cannot look up a user's verifier");
            Refusal::new(
                sqlstate::CANNOT_CONNECT_NOW,
                "the user's password cannot be checked now",
            )
            .because(why)
        };
        let _turn = self.endpoint.questions.acquire().await;
        // The connection is the lookup's own: no client's search_path can bend the query.
        let safe = [own_name(), ("search_path".to_owned(), String::new())];
        let connection = self
            .endpoint
            .connector
            .connect(
                connector::Login::Endpoint,
                Some(&self.dbname),
                &safe,
                Instant::now() + self.limit,
            )
            .await
            .map_err(|error| unavailable(crate::report::chain(&error)))?;
        // From version 16 on; the server makes up its own unknown users with it.
        let iterations = connection
            .parameters
            .iter()
            .find(|(name, _)| name == "scram_iterations")
            .and_then(|(_, value)| value.parse().ok());
        let answer = tokio::time::timeout(self.limit, ask(connection, self.query, user))
            .await
            .map_err(|_| unavailable("the server does not answer".into()))?
            .map_err(unavailable)?;
        match answer.as_deref().map(Verifier::parse) {
            Some(Ok(verifier)) => return Ok(Found::Verifier(verifier)),
            Some(Err(error)) => {
                warn!(user, error = %error, "the server has no SCRAM verifier for a user");
            }
            None => {}
        }
        Ok(Found::Nobody { iterations })
    }

    async fn check(&mut self, user: &str, password: &Secret<String>) -> Result<(), Refusal> {
        let _turn = self.endpoint.questions.acquire().await;
        let login = connector::Login::Password {
            user,
            password: password.clone(),
        };
        let deadline = Instant::now() + self.limit;
        let own_name = [own_name()];
        let connecting =
            self.endpoint
                .connector
                .connect(login, Some(&self.dbname), &own_name, deadline);
        match connecting.await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Authentication => {
                Err(Refusal::login_failed(user, crate::report::chain(&error)))
            }
            Err(error) => Err(Refusal::new(error.sqlstate(), crate::report::chain(&error))
                .hint(error.hint().unwrap_or_default())),
        }
    }
}

/// Runs the query with the user's name and gives the second column of its first row.
async fn ask(
    mut connection: Connection,
    query: &str,
    user: &str,
) -> Result<Option<String>, String> {
    let mut out = Vec::new();
    let user_length = i32::try_from(user.len()).map_err(|_| "the user's name is too long")?;
    let mut values = [0_i16.to_be_bytes(), 1_i16.to_be_bytes()].concat();
    values.extend_from_slice(&user_length.to_be_bytes());
    values.extend_from_slice(user.as_bytes());
    values.extend_from_slice(&0_i16.to_be_bytes());
    frontend::write_parse(&mut out, b"", query.as_bytes(), &[0, 0])
        .and_then(|()| frontend::write_bind_renamed(&mut out, b"", b"", &values))
        .and_then(|()| frontend::write_execute(&mut out, b"", 1))
        .map_err(|error| error.to_string())?;
    frontend::write_sync(&mut out);
    connection
        .stream
        .write_all(&out)
        .await
        .map_err(|error| error.to_string())?;
    let mut inbox = connection.leftover;
    let mut answer = None;
    loop {
        while let Some(header) = frame::header(&inbox).map_err(|error| error.to_string())? {
            if header.len > MAX_ANSWER {
                return Err(format!("a message of {} bytes is no verifier", header.len));
            }
            if inbox.len() < header.len {
                break;
            }
            let rest = inbox.split_off(header.len);
            let message = std::mem::replace(&mut inbox, rest);
            let body = &message[frame::HEADER..];
            match header.tag {
                tag::DATA_ROW => answer = second_column(body),
                tag::ERROR_RESPONSE => {
                    return Err(pgmoor_wire::backend::ErrorView::new(body)
                        .message()
                        .into_owned());
                }
                tag::READY_FOR_QUERY => return Ok(answer),
                _ => {}
            }
        }
        let count = connection.stream.read_onto(&mut inbox, 2048).await;
        if count.map_err(|error| error.to_string())? == 0 {
            return Err("the server closed the connection".into());
        }
    }
}

fn second_column(row: &[u8]) -> Option<String> {
    let mut rest = row.get(2..)?;
    for column in 0..2 {
        let length = i32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        rest = rest.get(4..)?;
        let length = usize::try_from(length).ok();
        if column == 1 {
            return String::from_utf8(rest.get(..length?)?.to_vec()).ok();
        }
        rest = rest.get(length.unwrap_or(0)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::second_column;

    #[test]
    fn the_second_column_is_read_and_null_is_none() {
        assert_eq!(
            second_column(b"\0\x02\0\0\0\x01u\0\0\0\x02vv"),
            Some("vv".to_owned())
        );
        assert_eq!(second_column(b"\0\x02\0\0\0\x01u\xff\xff\xff\xff"), None);
        assert_eq!(second_column(b"\0\x01\0\0\0\x01u"), None);
        assert_eq!(second_column(b""), None);
    }
}
