//! One group of facts, read in a transaction that can change nothing and ends soon.

use std::time::Duration;

use tokio_postgres::Client;

use super::reading::{Reading, Unread};
use crate::session::Session;

/// Nothing that a check reads takes long on a server that is well; nothing waits for a lock.
const BEGIN: &str = "begin transaction isolation level repeatable read, read only; \
                     set local statement_timeout = '5s'; set local lock_timeout = '1s'";

/// Reads a group in a transaction of its own, at most `limit`. `act` is a verb phrase: "read the
/// extensions".
///
/// Everything is local to the transaction, because a pooler may give the next one another server process.
pub(super) async fn group<T>(
    session: &Session,
    act: &str,
    limit: Duration,
    read: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Reading<T> {
    let client = session.client();
    let work = async {
        client.batch_execute(BEGIN).await?;
        let outcome = read(client).await;
        client.batch_execute("rollback").await?;
        outcome
    };
    session
        .within(act, limit, work)
        .await
        .map_err(|error| Unread::failed(&error))
}
