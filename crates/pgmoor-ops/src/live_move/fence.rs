//! The fence: PostgreSQL itself lets nobody into a database that lives elsewhere now.
//!
//! It is two settings of the database, which every new session takes, and which an owner may set: a library to be
//! loaded that does not exist, by whose name PostgreSQL refuses the login and says where the data is; and transactions
//! that only read, should somebody go around that. The sessions of a move say otherwise as they log in
//! ([`Side`]). Sessions that were there before are ended.

use std::time::Duration;

use pgmoor::connector::MOVED;
use tokio::time::{Instant, sleep};

use super::error::MoveError;
use super::side::Side;
use crate::session::Session;
use crate::sql::{identifier, literal};

/// How long one statement of the fence may take.
const STATEMENT: Duration = Duration::from_secs(10);
/// Between two looks whether the sessions that were there have ended.
const LOOK: Duration = Duration::from_millis(5);

/// The settings that make a fence.
const LIBRARY: &str = "local_preload_libraries";
const READ_ONLY: &str = "default_transaction_read_only";

/// What a login is refused with, as the name of a library: without a slash, which PostgreSQL would take for a
/// directory.
fn library(dbname: &str, endpoint: &str) -> String {
    format!("database {dbname} {MOVED}{endpoint}")
        .replace(['/', '\\', '"', '\'', ',', '\n', '\r', '\0'], "_")
}

/// Puts the fence up, and ends every session that was there before but those of the move.
///
/// Returns how many sessions were ended. It may be said again.
///
/// # Errors
/// Somebody could not be ended before `deadline`, or a setting was refused.
pub async fn raise(
    session: &Session,
    to: &str,
    spare: &[i32],
    deadline: Instant,
) -> Result<usize, MoveError> {
    let database = identifier(&session.database).into_owned();
    let library = literal(&library(&session.database, to));
    let sql = format!(
        "alter database {database} set {LIBRARY} = {library}; \
         alter database {database} set {READ_ONLY} = on"
    );
    let set = session.client().batch_execute(&sql);
    session.within("put up the fence", STATEMENT, set).await?;
    end_others(session, spare, deadline).await
}

/// Takes the fence down, and leaves the settings as they were before it.
///
/// # Errors
/// A setting was refused.
pub async fn lower(session: &Session, before: &Before) -> Result<(), MoveError> {
    let database = identifier(&session.database).into_owned();
    let put = |name: &str, value: Option<String>| match value {
        Some(value) => format!("alter database {database} set {name} = {value}"),
        None => format!("alter database {database} reset {name}"),
    };
    // A list is written as it is kept, and would be one name if it were said as one text.
    let list = before.library.as_deref().map(|libraries| {
        let each = libraries
            .split(',')
            .map(|one| literal(one.trim().trim_matches('"')));
        each.collect::<Vec<_>>().join(", ")
    });
    let sql = format!(
        "{}; {}",
        put(LIBRARY, list),
        put(READ_ONLY, before.read_only.as_deref().map(literal))
    );
    let reset = session.client().batch_execute(&sql);
    Ok(session
        .within("take the fence down", STATEMENT, reset)
        .await?)
}

/// What the database had set before there was a fence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Of `local_preload_libraries`.
    pub library: Option<String>,
    /// Of `default_transaction_read_only`.
    pub read_only: Option<String>,
}

/// What stands there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No fence.
    Open(Before),
    /// A fence; PostgreSQL's words to who logs in.
    Fenced(String),
}

/// Reads what stands there now.
///
/// # Errors
/// The server refused to say.
pub async fn read(session: &Session) -> Result<Standing, MoveError> {
    let sql = "select unnest(setconfig) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
        where d.datname = current_database() and s.setrole = 0";
    let query = session.client().query_typed(sql, &[]);
    let rows = session.within("read the fence", STATEMENT, query).await?;
    let mut before = Before::default();
    for row in &rows {
        let setting: &str = row.get(0);
        match setting.split_once('=') {
            Some((name, value)) if name == LIBRARY => before.library = Some(value.to_owned()),
            Some((name, value)) if name == READ_ONLY => before.read_only = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(match before.library.as_deref() {
        Some(text) if text.contains(MOVED) => Standing::Fenced(text.trim_matches('"').to_owned()),
        _ => Standing::Open(before),
    })
}

/// Tries the fence as a stranger would: a session that does not know the word must not get in.
///
/// # Errors
/// [`MoveError::FenceLeaks`] if it does.
pub async fn prove(side: &Side, deadline: Instant) -> Result<(), MoveError> {
    let stranger = Session::open(
        &side.connector,
        &side.endpoint,
        Some(&side.dbname),
        &[],
        deadline,
    );
    match stranger.await {
        Ok(session) => {
            session.close().await;
            Err(MoveError::FenceLeaks {
                endpoint: side.endpoint.clone(),
            })
        }
        Err(crate::Error::Connect { source, .. })
            if source
                .report()
                .is_some_and(|report| report.moved_to().is_some()) =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The name of a transaction that is prepared in this database, if there is one.
///
/// # Errors
/// [`MoveError::Server`].
pub(super) async fn prepared(session: &Session) -> Result<Option<String>, MoveError> {
    let sql = "select gid from pg_prepared_xacts where database = current_database() limit 1";
    let query = session.client().query_typed(sql, &[]);
    let rows = session
        .within("look for prepared transactions", STATEMENT, query)
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Ends every session in this database but this one and those spared, until none is left; how many there were.
///
/// # Errors
/// Somebody is left at the deadline.
pub(super) async fn end_others(
    session: &Session,
    spare: &[i32],
    deadline: Instant,
) -> Result<usize, MoveError> {
    let spare: Vec<i32> = spare.iter().copied().chain(session.pid).collect();
    let sql = "select pid, coalesce(usename, ''), coalesce(application_name, ''), pg_terminate_backend(pid)
        from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
            and backend_type in ('client backend', 'walsender') and pid <> all($1)";
    let mut ended = std::collections::BTreeSet::new();
    loop {
        let query = async { session.client().query(sql, &[&spare]).await };
        let rows = session
            .within("end the sessions that were there", STATEMENT, query)
            .await?;
        ended.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
        let Some(row) = rows.first() else {
            return Ok(ended.len());
        };
        if Instant::now() >= deadline {
            return Err(MoveError::Holdout {
                pid: row.get(0),
                user: row.get(1),
                application: row.get(2),
            });
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_is_refused_with_is_one_name_of_a_library() {
        let text = library("a\"b/c, d", "primary");

        assert_eq!(
            text,
            "database a_b_c_ d was moved by pgmoor to endpoint primary"
        );
        assert!(text.contains(MOVED));
    }
}
