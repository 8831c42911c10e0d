//! Indexes that are built or dropped without a transaction: what is there of them.

use super::history::{ASK, ask, text};
use super::sql::Kind;
use crate::error::Error;
use crate::session::Session;
use crate::sql::literal;

/// How long the server may take to drop an index that nobody uses.
const DROP: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Drops an index that `kind` has begun and not finished, and says its name.
///
/// # Errors
/// The server's.
pub(super) async fn drop_unfinished(
    session: &Session,
    kind: &Kind,
) -> Result<Option<String>, Error> {
    let Kind::BuildIndex { index, table } = kind else {
        return Ok(None);
    };
    let sql = format!(
        "select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indexrelid \
         where i.indrelid = to_regclass({}) and c.relname = {} and not i.indisvalid",
        literal(table),
        literal(index),
    );
    let rows = ask(session, "look for an unfinished index", &sql).await?;
    let Some(found) = rows.first().map(|row| text(row, 0)) else {
        return Ok(None);
    };
    ask(
        session,
        "wait for locks without a limit",
        "set lock_timeout = 0",
    )
    .await?;
    let sql = format!("drop index concurrently if exists {found}");
    let dropping = session.client().batch_execute(&sql);
    session
        .within(
            &format!("drop the unfinished index {found}"),
            DROP,
            dropping,
        )
        .await?;
    Ok(Some(found))
}

/// Whether what `kind` does is done already.
///
/// # Errors
/// The server's.
pub(super) async fn is_done(session: &Session, kind: &Kind) -> Result<bool, Error> {
    let sql = match kind {
        Kind::BuildIndex { index, table } => format!(
            "select count(*) > 0 from pg_index i join pg_class c on c.oid = i.indexrelid \
             where i.indrelid = to_regclass({}) and c.relname = {} and i.indisvalid",
            literal(table),
            literal(index),
        ),
        Kind::DropIndex(index) => format!("select to_regclass({}) is null", literal(index)),
        Kind::Setting | Kind::Several | Kind::One => return Ok(false),
    };
    let asked = session.client().simple_query(&sql);
    let act = "see whether an index is done";
    let messages = session.within(act, ASK, asked).await?;
    Ok(messages.iter().any(|message| {
        matches!(message, tokio_postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))
    }))
}
