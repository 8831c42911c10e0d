//! What a copy has to know of both sides before it begins.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::error::CopyError;
use super::open::{COPYING, STATEMENT};
use crate::catalogue::{self, Catalogue, Detail, Object, Target};
use crate::live_move::names::SCHEMA;
use crate::live_move::side::Side;
use crate::sql::literal;
use crate::wire_session::{Row, WireSession};

/// How long reading a catalogue may take.
const CATALOGUE: Duration = Duration::from_secs(600);

/// The time between two looks at whether a session has ended.
const BETWEEN: Duration = Duration::from_millis(10);

/// Reads all objects of a database but those of a move itself.
pub(crate) async fn catalogue(side: &Side) -> Result<Catalogue, CopyError> {
    let session = side.session().await?;
    let outcome = catalogue::read(&session, CATALOGUE).await;
    session.close().await;
    let mut catalogue = outcome?;
    catalogue.retain(|object| !is_ours(object));
    Ok(catalogue)
}

/// Ends what an earlier copy may still do at the target, and waits until it is gone: what it did is committed by then or
/// undone. A copy that somebody else is at is ended too: the last one to come has it.
pub(crate) async fn take_over(session: &mut WireSession) -> Result<(), CopyError> {
    let told = || CopyError::wire(|| "end an earlier copy to the target");
    let sql = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where application_name = {} and datname = current_database() and pid <> pg_backend_pid()",
        literal(COPYING)
    );
    let deadline = Instant::now() + STATEMENT;
    loop {
        let row = session.row(&sql).await.map_err(told())?;
        match row.parse(0) {
            Some(0) => return Ok(()),
            _ if Instant::now() > deadline => {
                return Err(CopyError::Busy {
                    count: row.parse(0).unwrap_or_default(),
                });
            }
            _ => tokio::time::sleep(BETWEEN).await,
        }
    }
}

/// Whether an object is of a move itself: its journal, its publication, its triggers.
fn is_ours(object: &Object) -> bool {
    let of_journal = |name: Option<&str>| {
        name.is_some_and(|name| name == SCHEMA || name.starts_with(&format!("{SCHEMA}.")))
    };
    of_journal(object.schema.as_deref())
        || of_journal(object.table.as_deref())
        || object.bare == SCHEMA
        || object.bare.starts_with(&format!("{SCHEMA}_"))
}

/// Begins a transaction that sees the source as of `snapshot`, or as of now; gives the name of what it sees.
pub(crate) async fn see(
    session: &mut WireSession,
    snapshot: Option<&str>,
) -> Result<String, CopyError> {
    let told = || CopyError::wire(|| "take the snapshot of the source");
    let begin = "begin transaction isolation level repeatable read, read only";
    session.query(begin).await.map_err(told())?;
    match snapshot {
        Some(snapshot) => {
            let set = format!("set transaction snapshot {}", literal(snapshot));
            session.query(&set).await.map_err(told())?;
            Ok(snapshot.to_owned())
        }
        None => {
            let row = session.row("select pg_export_snapshot()").await;
            let row = row.map_err(told())?;
            Ok(row.text(0).unwrap_or_default().to_owned())
        }
    }
}

/// Refuses where policies would hide rows from this login.
pub(crate) async fn demand_all_rows(source: &mut WireSession) -> Result<(), CopyError> {
    let sql =
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind = 'r' and relrowsecurity and nspname !~ '^pg_' and relpersistence <> 't'
            and not (select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
            and (relforcerowsecurity or not pg_has_role(relowner, 'usage')) order by 1";
    let told = CopyError::wire(|| "look for policies");
    let rows = source.rows(sql).await.map_err(told)?;
    match rows.first().and_then(|row| row.text(0)) {
        None => Ok(()),
        Some(example) => Err(CopyError::RowSecurity {
            count: rows.len(),
            example: example.to_owned(),
            user: source.user.clone(),
        }),
    }
}

/// The `search_path` that the source's database gives to those who set none.
pub(crate) async fn search_path(source: &mut WireSession) -> Result<String, CopyError> {
    let sql = "select substr(one, length('search_path=') + 1) from pg_db_role_setting, unnest(setconfig) one
        where setrole = 0 and one like 'search\\_path=%'
            and setdatabase = (select oid from pg_database where datname = current_database())";
    let told = CopyError::wire(|| "read the settings of the source");
    let row = source.row(sql).await.map_err(told)?;
    Ok(row.text(0).unwrap_or("\"$user\", public").to_owned())
}

/// What the target is.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) target: Target,
    /// Kilobytes that a session may use to make an index, unless it is told otherwise.
    pub(crate) maintenance_kb: u64,
    /// Kilobytes that all sessions share for pages.
    pub(crate) shared_kb: u64,
}

impl Ground {
    pub(crate) async fn read(session: &mut WireSession) -> Result<Self, CopyError> {
        let told = || CopyError::wire(|| "read what the target is");
        let sql = "select current_database(), current_user, (select rolsuper from pg_roles where rolname = current_user),
            (select setting from pg_settings where name = 'maintenance_work_mem'),
            (select setting::int8 * 8 from pg_settings where name = 'shared_buffers')";
        let row = session.row(sql).await.map_err(told())?;
        let roles = session.rows("select rolname from pg_roles").await;
        let roles = roles.map_err(told())?;
        let how = if session.major() >= 16 {
            "set"
        } else {
            "member"
        };
        let assumable =
            format!("select rolname from pg_roles where pg_has_role(current_user, oid, '{how}')");
        let assumable = session.rows(&assumable).await.map_err(told())?;
        let extensions =
            "select extname, rolname from pg_extension join pg_roles r on r.oid = extowner";
        let extensions = session.rows(extensions).await.map_err(told())?;
        let extensions = extensions
            .iter()
            .filter_map(|row| Some((row.text(0)?.to_owned(), row.text(1)?.to_owned())));
        let text = |column| row.text(column).unwrap_or_default().to_owned();
        Ok(Self {
            target: Target {
                major: session.major(),
                database: text(0),
                user: text(1),
                is_superuser: row.flag(2) == Some(true),
                roles: names(&roles),
                assumable: names(&assumable),
                extensions: extensions.collect(),
                role_map: Default::default(),
            },
            maintenance_kb: row.parse(3).unwrap_or(65_536),
            shared_kb: row.parse(4).unwrap_or(131_072),
        })
    }

    /// Kilobytes for making an index, for each of `streams`: what the server's memory for pages suggests, which is a part
    /// of all its memory, and never less than the server gives anyway.
    pub(crate) fn index_memory(&self, streams: usize) -> u64 {
        const LEAST: u64 = 128 * 1024;
        const MOST: u64 = 1024 * 1024;
        let share = self.shared_kb / (streams.max(1) as u64);
        self.maintenance_kb.max(share.clamp(LEAST, MOST))
    }
}

fn names(rows: &[Row]) -> BTreeSet<String> {
    let names = rows.iter().filter_map(|row| row.text(0));
    names.map(str::to_owned).collect()
}

/// Refuses a target that has objects of its own: extensions and what every new database has do not count.
pub(crate) fn demand_empty(target: &Catalogue) -> Result<(), CopyError> {
    let own = target.objects.iter().filter(|object| match &object.detail {
        Detail::Database { .. }
        | Detail::Setting { .. }
        | Detail::Extension { .. }
        | Detail::Language { .. }
        | Detail::EventTrigger { .. }
        | Detail::MemberPrivileges { .. }
        | Detail::DefaultPrivileges { .. } => false,
        Detail::Schema {} => object.bare != "public",
        _ => true,
    });
    let own: Vec<&Object> = own.collect();
    match own.first() {
        None => Ok(()),
        Some(first) => Err(CopyError::NotEmpty {
            count: own.len(),
            example: format!("{} {}", first.detail.kind(), first.name),
        }),
    }
}
