//! How facts are read of a server: in a transaction that cannot write, each group with a deadline.

use std::time::Duration;

use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::Error;
use crate::session::Session;

/// What a statement of a group gives.
pub(crate) type Outcome<T> = Result<T, tokio_postgres::Error>;

/// Reads one group of facts. `act` is a verb phrase.
///
/// Nothing of the user's can be called in place of PostgreSQL's own: the search path is only `pg_catalog`.
/// Statements have no names, so that a pooler in transaction mode is no hindrance.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub(crate) async fn group<T>(
    session: &Session,
    act: &str,
    limit: Duration,
    read: impl AsyncFnOnce(Reader<'_>) -> Outcome<T>,
) -> Result<T, Error> {
    let client = session.client();
    // The server gives up by itself as well, should our request to cancel not reach it.
    let begin = format!(
        "begin transaction isolation level repeatable read, read only; set local statement_timeout = {}; \
         set local lock_timeout = {0}; set local search_path = pg_catalog",
        limit.as_millis().clamp(1, 3_600_000)
    );
    let work = async {
        client.batch_execute(&begin).await?;
        let outcome = read(Reader { client }).await;
        let end = client.batch_execute("rollback").await;
        outcome.and_then(|value| end.map(|()| value))
    };
    let outcome = session.within(act, limit, work).await;
    if matches!(outcome, Err(Error::Timeout { .. })) {
        let rollback = client.batch_execute("rollback");
        let _ = session.within("end the transaction", limit, rollback).await;
    }
    outcome
}

/// Asks within a group.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    client: &'a Client,
}

impl Reader<'_> {
    /// All rows.
    pub(crate) async fn rows(self, sql: &str) -> Outcome<Vec<Row>> {
        self.client.query_typed(sql, &[]).await
    }

    /// All rows, of a statement with parameters.
    pub(crate) async fn rows_of(
        self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Outcome<Vec<Row>> {
        self.client.query_typed(sql, parameters).await
    }

    /// The first column of the only row.
    pub(crate) async fn value<T: for<'a> FromSql<'a>>(self, sql: &str) -> Outcome<Option<T>> {
        let rows = self.rows(sql).await?;
        rows.first().map_or(Ok(None), |row| row.try_get(0))
    }
}
