//! Materialized views: what they hold is in no change, so it is computed again.

use std::time::Duration;

use super::error::MoveError;
use super::names::SCHEMA;
use crate::session::Session;
use crate::sql::qualified;

/// How long one view may take.
const REFRESH: Duration = Duration::from_secs(6 * 3_600);

/// Computes every materialized view again that holds something, in the order in which they were made, so that one that
/// reads another comes after it.
///
/// # Errors
/// [`MoveError::Server`].
pub(super) async fn refresh(session: &Session) -> Result<(), MoveError> {
    let sql = format!(
        "select nspname::text, relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
         where relkind = 'm' and relispopulated and nspname !~ '^pg_' and nspname <> '{SCHEMA}'
         order by c.oid"
    );
    let client = session.client();
    let rows = client.query_typed(&sql, &[]);
    let rows = session
        .within("list the materialized views", REFRESH, rows)
        .await?;
    for row in &rows {
        let name = qualified(row.get(0), row.get(1));
        let refresh = format!("refresh materialized view {name}");
        let refresh = client.batch_execute(&refresh);
        let act = format!("compute the materialized view {name}");
        session.within(&act, REFRESH, refresh).await?;
    }
    Ok(())
}
