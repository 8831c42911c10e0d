//! The database that a move would go to, as far as it decides whether what is here can be there.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::reading::{APPLICATION, Reading, Unread};
use super::subject::Destination;
use super::transaction::{Outcome, Reader, group};
use super::{Wanted, extensions, server};
use crate::session::Session;

/// The database that a move would go to.
#[derive(Debug, Clone)]
pub struct Target {
    /// What people call it.
    pub name: String,
    /// Host and address.
    pub place: String,
    /// As whom the session there ran.
    pub user: String,
    /// The database it was on.
    pub database: String,
    /// What the server is.
    pub server: server::Server,
    /// What is installed there, and what can be.
    pub extensions: extensions::Extensions,
    /// The version that the library there has of each collation, by the collation's name.
    pub collations: BTreeMap<String, String>,
    /// Whether schemas may be made there.
    pub may_create: bool,
    /// How many tables there are already, besides those of extensions.
    pub tables: i64,
}

/// Reads it, by a session there.
pub(super) async fn read(destination: &Destination, wanted: &Wanted<'_>) -> Reading<Target> {
    let limit = wanted.limit;
    let parameters = [("application_name".to_owned(), APPLICATION.to_owned())];
    let database = destination.database.as_deref();
    let deadline = Instant::now() + limit;
    let (connector, name) = (&destination.connector, &destination.name);
    let opening = Session::open(connector, name, database, &parameters, deadline);
    let failed = |error: crate::error::Error| Unread::failed(&error);
    let session = opening.await.map_err(failed)?;
    let reading = async {
        let server = server::read(&session, limit).await?;
        let extensions = extensions::read(&session, limit).await?;
        let act = "read what a move depends on at the target";
        let (collations, may_create, tables) =
            group(&session, act, limit, async |reader| rest(reader).await).await?;
        Ok(Target {
            name: name.clone(),
            place: session.server.clone(),
            user: session.user.clone(),
            database: session.database.clone(),
            server,
            extensions,
            collations,
            may_create,
            tables,
        })
    };
    let outcome = reading.await.map_err(failed);
    session.close().await;
    outcome
}

async fn rest(reader: Reader<'_>) -> Outcome<(BTreeMap<String, String>, bool, i64)> {
    let rows = reader
        .rows(
            "select has_database_privilege(current_database(), 'CREATE'), (select count(*) from pg_class c \
             join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p') \
             and nspname !~ '^(pg_|information_schema$)' and not exists (select from pg_depend \
               where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e'))",
        )
        .await?;
    let (may_create, tables) = (rows[0].try_get(0)?, rows[0].try_get(1)?);
    Ok((collations(reader).await?, may_create, tables))
}

/// The version that the server's library has of each collation.
pub(super) async fn collations(reader: Reader<'_>) -> Outcome<BTreeMap<String, String>> {
    let rows = reader
        .rows(
            "select collname::text, min(pg_collation_actual_version(oid)) from pg_collation \
             where pg_collation_actual_version(oid) is not null and collencoding in (-1, (select encoding \
               from pg_database where datname = current_database())) group by 1",
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}
