//! Where sequences stand, carried from one side to the other.

use std::time::Duration;

use super::error::MoveError;
use super::names::SCHEMA;
use crate::session::Session;
use crate::sql::{literal, qualified};

/// Sequences that are read or set by one statement.
const AT_ONCE: usize = 500;

/// A sequence and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// As it stands in SQL.
    pub sequence: String,
    /// `last_value`.
    pub last_value: i64,
    /// Whether that value was given out.
    pub is_called: bool,
}

/// Reads where all sequences stand.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn read(session: &Session, limit: Duration) -> Result<Vec<Position>, MoveError> {
    let client = session.client();
    let sql = format!(
        "select nspname::text, relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
         where relkind = 'S' and relpersistence <> 't' and nspname !~ '^(pg_|information_schema$)'
            and nspname <> '{SCHEMA}'
            and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
         order by 1, 2"
    );
    let names = session
        .within("list the sequences", limit, client.query_typed(&sql, &[]))
        .await?;
    let names: Vec<String> = names
        .iter()
        .map(|row| qualified(row.get(0), row.get(1)))
        .collect();
    let mut positions = Vec::with_capacity(names.len());
    for part in names.chunks(AT_ONCE) {
        let each = part.iter().enumerate().map(|(place, name)| {
            format!("select {place}::int8, last_value, is_called from {name}")
        });
        let sql = each.collect::<Vec<_>>().join(" union all ");
        let rows = client.query_typed(&sql, &[]);
        let rows = session.within("read the sequences", limit, rows).await?;
        for row in &rows {
            let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
            positions.push(Position {
                sequence: part.get(place).cloned().unwrap_or_default(),
                last_value: row.get(1),
                is_called: row.get(2),
            });
        }
    }
    positions.sort_by(|one, other| one.sequence.cmp(&other.sequence));
    Ok(positions)
}

/// Sets sequences to these positions.
///
/// # Errors
/// [`MoveError::Server`]: one is not there, or may not be set.
pub async fn set(
    session: &Session,
    positions: &[Position],
    limit: Duration,
) -> Result<(), MoveError> {
    for part in positions.chunks(AT_ONCE) {
        let each = part.iter().map(|position| {
            format!(
                "setval({}, {}, {})",
                literal(&position.sequence),
                position.last_value,
                position.is_called
            )
        });
        let sql = format!("select {}", each.collect::<Vec<_>>().join(", "));
        let set = session.client().query_typed(&sql, &[]);
        session.within("set the sequences", limit, set).await?;
    }
    Ok(())
}
