//! Whether a pooler or proxy is between us and the server, which, and in which mode.
//!
//! A login names the server process that serves the session. A pooler makes that name up, because its own
//! sessions are not the server's; and one in transaction mode gives a session whichever process is free.

use std::time::Duration;

use pgmoor::connector::Connector;
use tokio::time::Instant;

use crate::error::Error;
use crate::session::Session;

/// How often it is tried to meet a process in another session.
const TRIES: usize = 5;
/// A parameter that PostgreSQL takes, as it does any with a dot in its name, and PgBouncer refuses.
const PARAMETER: &str = "pgmoor.check";

/// What is between us and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooler {
    /// Nothing.
    pub is_direct: bool,
    /// What it is, where that can be told.
    pub product: Option<&'static str>,
    /// When it gives a server process to somebody else.
    pub mode: Mode,
}

/// When a pooler gives a server process to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When the session ends.
    Session,
    /// When the transaction ends.
    Transaction,
    /// When the statement ends.
    Statement,
    /// It could not be found out.
    Unknown,
}

/// Finds out. A second session is opened, when there is a pooler.
pub(crate) async fn read(
    connector: &Connector,
    database: Option<&str>,
    session: &Session,
    limit: Duration,
) -> Result<Pooler, Error> {
    let pid = session
        .within("ask for the process", limit, pid(session))
        .await?;
    let mut pooler = Pooler {
        is_direct: session.pid.is_none_or(|named| named == pid),
        product: None,
        mode: Mode::Session,
    };
    if pooler.is_direct {
        return Ok(pooler);
    }
    let (second, product) = second(connector, database, limit).await;
    pooler.product = product;
    pooler.mode = match second {
        Some(second) => {
            let meeting = meet(session, &second);
            let mode = session.within("find out the pooler's mode", limit, meeting);
            let mode = mode.await.unwrap_or(Mode::Unknown);
            second.close().await;
            mode
        }
        None => Mode::Unknown,
    };
    Ok(pooler)
}

async fn pid(session: &Session) -> Result<i32, tokio_postgres::Error> {
    let rows = session
        .client()
        .query_typed("select pg_backend_pid()", &[])
        .await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// A second session; and what refused one with a parameter that PostgreSQL would take.
async fn second(
    connector: &Connector,
    database: Option<&str>,
    limit: Duration,
) -> (Option<Session>, Option<&'static str>) {
    let open = async |parameters: &[(String, String)]| {
        let deadline = Instant::now() + limit;
        Session::open(connector, "the pooler", database, parameters, deadline).await
    };
    match open(&[(PARAMETER.to_owned(), "1".to_owned())]).await {
        Ok(session) => (Some(session), None),
        Err(error) => {
            let is_unknown_parameter = match &error {
                Error::Connect { source, .. } => source
                    .report()
                    .is_some_and(|report| report.message.contains(PARAMETER)),
                _ => false,
            };
            let product = is_unknown_parameter.then_some("PgBouncer");
            (open(&[]).await.ok(), product)
        }
    }
}

/// Whether the second session, while the first is idle, meets the process that just served the first.
async fn meet(first: &Session, second: &Session) -> Result<Mode, tokio_postgres::Error> {
    let mut last = None;
    for _ in 0..TRIES {
        let of_first = pid(first).await?;
        if last.replace(of_first).is_some_and(|last| last != of_first) {
            return Ok(Mode::Transaction);
        }
        if let Err(error) = second.client().batch_execute("begin read only").await {
            // "transaction blocks not allowed in statement pooling mode"; the session ends with it.
            let is_statement = error
                .as_db_error()
                .is_some_and(|error| error.message().contains("statement pooling"));
            return Ok(if is_statement {
                Mode::Statement
            } else {
                Mode::Unknown
            });
        }
        let of_second = pid(second).await?;
        second.client().batch_execute("rollback").await?;
        if of_first == of_second {
            return Ok(Mode::Transaction);
        }
    }
    Ok(Mode::Session)
}
