//! What a move of the live database needs, and what it would not carry by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transaction::{Outcome, Reader, group};
use crate::error::Error;
use crate::session::Session;

/// At most so many things are named; their number is exact.
const NAMED: i64 = 20;

/// Objects that are named: how many there are, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// How many.
    pub count: i64,
    /// The first of them, in order of their names.
    pub some: Vec<String>,
}

impl Named {
    /// The first of them for people, and how many more there are.
    pub fn list(&self) -> String {
        let shown = self.some.iter().take(5).cloned().collect::<Vec<_>>();
        let more = self.count - i64::try_from(shown.len()).unwrap_or_default();
        match more {
            ..=0 => shown.join(", "),
            _ => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// What a move depends on.
#[derive(Debug, Clone)]
pub struct Moving {
    /// Whether the login may open a replication connection: `REPLICATION`, a superuser, or the role that a vendor
    /// has for it.
    pub may_replicate: bool,
    /// Whether it may make a publication of all tables: a superuser, or the owner of each and of the database.
    pub may_publish_all: bool,
    /// Replication slots in use.
    pub slots_used: i64,
    /// Processes that send WAL.
    pub senders_used: i64,
    /// Tables of which changes and deletions cannot be told apart: without a primary key or replica
    /// identity.
    pub without_identity: Named,
    /// Tables whose changes are not written to the WAL.
    pub unlogged: Named,
    /// Tables whose data is elsewhere.
    pub foreign_tables: Named,
    /// Materialized views, which are computed again.
    pub materialized_views: Named,
    /// Event triggers, which fire for what the move itself does.
    pub event_triggers: Named,
    /// Publications and subscriptions, which are not carried.
    pub publications: Named,
    /// Tables with row-level security that hides rows from this role.
    pub hidden_by_rls: Named,
    /// Collations that are not those of the database or of PostgreSQL itself.
    pub collations: Named,
    /// The collations that columns and indexes use, and the version of each that the server's library has.
    pub collations_used: BTreeMap<String, String>,
    /// Transactions that were prepared and not ended.
    pub prepared_transactions: Named,
    /// Tables that this role may not read.
    pub unreadable: Named,
    /// Large objects.
    pub large_objects: i64,
    /// Sequences.
    pub sequences: i64,
    /// Tables, partitions counted.
    pub tables: i64,
    /// The bytes of tables, with TOAST.
    pub table_bytes: i64,
    /// The bytes of indexes.
    pub index_bytes: i64,
    /// The largest tables: name and bytes.
    pub largest: Vec<(String, i64)>,
}

/// Reads them.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub async fn read(session: &Session, limit: Duration) -> Result<Moving, Error> {
    group(session, "read what a move depends on", limit, async |reader| {
        let rows = reader.rows(RIGHTS).await?;
        let rights = &rows[0];
        let rows = reader.rows(SIZES).await?;
        let sizes = &rows[0];
        let largest = reader.rows(LARGEST).await?;
        let largest = largest.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(Moving {
            may_replicate: rights.try_get(0)?,
            may_publish_all: rights.try_get(1)?,
            slots_used: rights.try_get(2)?,
            senders_used: rights.try_get(3)?,
            without_identity: tables(reader, "relkind = 'r' and relpersistence = 'p' and (relreplident = 'n'
                or (relreplident = 'd' and not exists (select from pg_index where indrelid = c.oid and indisprimary)))").await?,
            unlogged: tables(reader, "relkind in ('r', 'p') and relpersistence = 'u'").await?,
            foreign_tables: tables(reader, "relkind = 'f'").await?,
            materialized_views: tables(reader, "relkind = 'm'").await?,
            hidden_by_rls: tables(reader, "relkind in ('r', 'p') and row_security_active(c.oid)").await?,
            unreadable: tables(reader, "relkind in ('r', 'p') and not has_table_privilege(c.oid, 'SELECT')").await?,
            event_triggers: named(reader, "select quote_ident(evtname) as name from pg_event_trigger
                where not exists (select from pg_depend where objid = pg_event_trigger.oid and deptype = 'e')").await?,
            publications: named(reader, "select 'publication ' || quote_ident(pubname) as name from pg_publication").await?,
            collations: named(reader, "select quote_ident(nspname) || '.' || quote_ident(collname) as name
                from pg_collation c join pg_namespace n on n.oid = collnamespace where c.oid >= 16384").await?,
            collations_used: collations_used(reader).await?,
            prepared_transactions: named(reader, "select gid as name from pg_prepared_xacts where database = current_database()").await?,
            large_objects: reader.value("select count(*) from pg_largeobject_metadata").await?.unwrap_or_default(),
            sequences: reader.value("select count(*) from pg_class where relkind = 'S' and oid >= 16384").await?.unwrap_or_default(),
            tables: sizes.try_get(0)?,
            table_bytes: sizes.try_get(1)?,
            index_bytes: sizes.try_get(2)?,
            largest: largest.collect::<Outcome<_>>()?,
        })
    })
    .await
}

async fn collations_used(reader: Reader<'_>) -> Outcome<BTreeMap<String, String>> {
    let rows = reader
        .rows(
            "select collname::text, min(pg_collation_actual_version(c.oid)) from pg_collation c
             where pg_collation_actual_version(c.oid) is not null and c.oid <> 100 and exists (
                 select from pg_attribute where attcollation = c.oid and attrelid >= 16384)
             group by 1",
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// Vendors hand out replication by roles of their own.
const RIGHTS: &str = "select
    (select rolsuper or rolreplication from pg_roles where rolname = current_user)
        or exists (select from pg_roles where rolname in ('rds_replication', 'rds_superuser')
            and pg_has_role(current_user, oid, 'MEMBER')),
    (select rolsuper from pg_roles where rolname = current_user)
        or exists (select from pg_roles where rolname in ('rds_superuser', 'azure_pg_admin', 'cloudsqlsuperuser')
            and pg_has_role(current_user, oid, 'MEMBER'))
        or (select has_database_privilege(oid, 'CREATE') from pg_database where datname = current_database())
            and not exists (select from pg_class c join pg_namespace n on n.oid = relnamespace
                where relkind in ('r', 'p') and nspname !~ '^(pg_|information_schema$)'
                    and not pg_has_role(current_user, relowner, 'USAGE')
                    and not exists (select from pg_depend where classid = 'pg_class'::regclass
                        and objid = c.oid and deptype = 'e')),
    (select count(*) from pg_replication_slots),
    (select count(*) from pg_stat_replication)";

const SIZES: &str = "select count(*), coalesce(sum(pg_table_size(c.oid)), 0)::int8, coalesce(sum(pg_indexes_size(c.oid)), 0)::int8
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'm') and nspname !~ '^(pg_|information_schema$)'";

const LARGEST: &str =
    "select quote_ident(nspname) || '.' || quote_ident(relname), pg_table_size(c.oid)
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'm') and nspname !~ '^(pg_|information_schema$)'
    order by 2 desc, 1 limit 5";

/// Relations of the user's own that are so; those of extensions do not count.
async fn tables(reader: Reader<'_>, so: &str) -> Outcome<Named> {
    let sql = format!(
        "select quote_ident(nspname) || '.' || quote_ident(relname) as name
         from pg_class c join pg_namespace n on n.oid = relnamespace
         where {so} and nspname !~ '^(pg_|information_schema$)'
            and not exists (select from pg_depend where classid = 'pg_class'::regclass
                and objid = c.oid and deptype = 'e')"
    );
    named(reader, &sql).await
}

async fn named(reader: Reader<'_>, sql: &str) -> Outcome<Named> {
    let sql = format!(
        "with found as ({sql})
         select count(*), array(select name::text from found order by 1 limit {NAMED}) from found"
    );
    let rows = reader.rows(&sql).await?;
    Ok(Named {
        count: rows[0].try_get(0)?,
        some: rows[0].try_get(1)?,
    })
}
