//! Whether the objects of a side are still those that the other side was given.
//!
//! An event trigger notes a definition at once, where the login may make one ([`outgoing::guard`](super::outgoing::guard)); this
//! sees the rest, before clients wait.

use pgmoor_wire::lsn::Lsn;
use xxhash_rust::xxh3::Xxh3;

use super::copy::catalogue;
use super::error::MoveError;
use super::journal::STATEMENT;
use super::names::SCHEMA;
use super::side::Side;
use crate::catalogue::Detail;
use crate::session::Session;

/// Notes what is defined at a side, in its own journal.
///
/// # Errors
/// [`MoveError::Server`], [`MoveError::Copy`].
pub(super) async fn note(side: &Side) -> Result<(), MoveError> {
    let hash = hash(side).await?;
    let session = side.session().await?;
    let sql = format!("update {SCHEMA}.move set definitions = $1");
    let update = async { session.client().execute(&sql, &[&hash]).await };
    session
        .within("note what is defined", STATEMENT, update)
        .await?;
    session.close().await;
    Ok(())
}

/// Refuses when something is defined otherwise than it was noted.
///
/// # Errors
/// [`MoveError::Redefined`].
pub(super) async fn demand_same(side: &Side) -> Result<(), MoveError> {
    let session = side.session().await?;
    let noted = noted(&session).await?;
    session.close().await;
    let now = hash(side).await?;
    match noted {
        Some(noted) if noted != now => Err(MoveError::Redefined {
            statement: "somebody who was not seen".to_owned(),
            at: Lsn::ZERO,
        }),
        _ => Ok(()),
    }
}

async fn noted(session: &Session) -> Result<Option<String>, MoveError> {
    let sql = format!("select definitions from {SCHEMA}.move");
    let query = session.client().query_typed(&sql, &[]);
    let rows = session.within("read the journal", STATEMENT, query).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// A hash of all objects but those that a move itself changes: settings (the fence), large objects (data), and
/// whether a materialized view holds something.
async fn hash(side: &Side) -> Result<String, MoveError> {
    let mut catalogue = catalogue(side).await?;
    let is_data =
        |detail: &Detail| matches!(detail, Detail::Setting { .. } | Detail::LargeObject {});
    catalogue.retain(|object| !is_data(&object.detail));
    let mut state = Xxh3::new();
    for object in &mut catalogue.objects {
        if let Detail::MaterializedView(view) = &mut object.detail {
            view.populated = false;
        }
        let text =
            serde_json::to_vec(object).map_err(|source| crate::Error::Catalogue { source })?;
        state.update(&text);
    }
    Ok(format!("{:032x}", state.digest128()))
}
