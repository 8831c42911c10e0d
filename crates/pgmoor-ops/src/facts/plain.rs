//! Whether the server would let a session in without TLS: it is asked for one, and left before anything
//! secret is said.

use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::endpoint::Host;
use pgmoor::stream::Stream;
use pgmoor_wire::backend::ErrorView;
use pgmoor_wire::{startup, tag};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reading::{Reading, Unread};

/// What the server says to a session without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// It begins the login.
    LetIn,
    /// It refuses, saying this.
    Refused(String),
}

/// Asks the first host that is no socket.
pub(super) async fn read(
    connector: &Connector,
    database: Option<&str>,
    limit: Duration,
) -> Reading<Plain> {
    let endpoint = connector.endpoint();
    let Some(host) = endpoint.hosts.iter().find(|host| !host.is_socket()) else {
        return Err(Unread::NotApplicable(
            "the connection is a Unix socket, which needs no TLS".to_owned(),
        ));
    };
    let user = connector.user();
    let database = database.or(endpoint.dbname.as_deref()).unwrap_or(user);
    match timeout(limit, ask(host, user, database)).await {
        Ok(Ok(plain)) => Ok(plain),
        Ok(Err(unread)) => Err(unread),
        Err(_) => Err(Unread::Failed("there was no answer".to_owned())),
    }
}

async fn ask(host: &Host, user: &str, database: &str) -> Reading<Plain> {
    let failed = |reason: &str| Unread::Failed(reason.to_owned());
    let broken = |error: std::io::Error| Unread::failed(&error);
    let socket = match (host.address(), host.name()) {
        (Some(address), _) => TcpStream::connect((address, host.port)).await,
        (None, Some(name)) => TcpStream::connect((name, host.port)).await,
        (None, None) => return Err(failed("there is no address")),
    };
    let mut stream = Stream::tcp(socket.map_err(broken)?).map_err(broken)?;
    let mut message = Vec::new();
    let parameters = [("user", user), ("database", database)];
    startup::write_startup(&mut message, 0, parameters)
        .map_err(|error| failed(&error.to_string()))?;
    stream.write_all(&message).await.map_err(broken)?;
    let mut answer = Vec::new();
    // The first message has a tag and a length, and all of it may come in pieces.
    loop {
        if let Some((first, body)) = first_message(&answer) {
            return match first {
                tag::AUTHENTICATION => Ok(Plain::LetIn),
                tag::ERROR_RESPONSE => refusal(body),
                _ => Err(failed("the answer is none of a login")),
            };
        }
        let mut piece = [0; 1024];
        match stream.read_some(&mut piece).await.map_err(broken)? {
            0 => return Err(failed("the connection was closed")),
            count if answer.len() < 16 * 1024 => answer.extend_from_slice(&piece[..count]),
            _ => return Err(failed("the answer is none of a login")),
        }
    }
}

fn first_message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let length = u32::from_be_bytes(*rest.first_chunk()?);
    let end = usize::try_from(length).ok()?;
    Some((*tag, rest.get(4..end)?))
}

/// A refusal for want of TLS; one for any other reason says nothing about that.
fn refusal(body: &[u8]) -> Reading<Plain> {
    let error = ErrorView::new(body);
    let message = error.message().into_owned();
    let code = error.sqlstate();
    let class = code.map(|code| code.class().to_owned()).unwrap_or_default();
    match class.as_str() {
        // pg_hba.conf; PgBouncer says 08P01 "SSL required".
        "28" | "08" => Ok(Plain::Refused(message)),
        _ => Err(Unread::Failed(message)),
    }
}
