//! How much room a server has: connections, memory, transaction ids, WAL that is kept.

use std::time::{Duration, SystemTime};

use super::transaction::{Outcome, Reader, group};
use crate::error::Error;
use crate::session::Session;

/// How much room there is.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// Connections, all of the server.
    pub connections: Connections,
    /// Standbys that are connected; empty where this role may not see them.
    pub standbys: Vec<Standby>,
    /// How far a standby is behind, in seconds, where this is one that has replayed something.
    pub replay_behind: Option<f64>,
    /// The database that is nearest to running out of transaction ids, and how many it has used.
    pub oldest_xid: (String, i64),
    /// The same for multixact ids.
    pub oldest_multixact: (String, i64),
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// The size of the database, in bytes.
    pub database_bytes: i64,
    /// The sequence that has used most of its numbers, and how much of them: 0 to 1.
    pub fullest_sequence: Option<(String, f64)>,
    /// When the oldest transaction began that is still open, by our clock.
    pub oldest_transaction: Option<SystemTime>,
    /// Whether others' sessions can be seen (`pg_read_all_stats`, or a superuser).
    pub sees_others: bool,
}

impl Capacity {
    /// Whether others are connected of whom the login sees nothing but that.
    pub fn is_blind(&self) -> bool {
        !self.sees_others && self.connections.others() > 0
    }
}

/// The connections of a server, and who has them. Those of background processes do not count.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    /// `max_connections`.
    pub max: i64,
    /// `superuser_reserved_connections` and, from 16 on, `reserved_connections`.
    pub reserved: i64,
    /// Those that are open, but for our own.
    pub used: i64,
    /// Those of them that are of this role in this database.
    pub own: i64,
    /// Those of them that are idle within a transaction.
    pub idle_in_transaction: i64,
    /// Who has most: `user@database (application)`, and how many.
    pub holders: Vec<(String, i64)>,
}

impl Connections {
    /// How many ordinary roles can have.
    pub fn usable(&self) -> i64 {
        (self.max - self.reserved).max(0)
    }

    /// How many others have: all but those of this role in this database, which the application's
    /// will take the place of.
    pub fn others(&self) -> i64 {
        (self.used - self.own).max(0)
    }
}

/// A standby of this server.
#[derive(Debug, Clone, PartialEq)]
pub struct Standby {
    /// Its name (`application_name`).
    pub name: String,
    /// Its address.
    pub address: Option<String>,
    /// `streaming`, `catchup`, …
    pub state: String,
    /// How many bytes of WAL it has still to replay.
    pub lag_bytes: Option<i64>,
    /// How long ago it was where it is.
    pub lag_seconds: Option<f64>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether somebody uses it.
    pub is_active: bool,
    /// How many bytes of WAL it keeps; `None` where it keeps none.
    pub retained_bytes: Option<i64>,
    /// `reserved`, `extended`, `unreserved`, `lost`; from 13 on.
    pub wal_status: Option<String>,
}

/// Reads them.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub async fn read(session: &Session, limit: Duration) -> Result<Capacity, Error> {
    let version = session.server_version;
    group(session, "read how much room there is", limit, async |reader| {
        let sees = "select pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
            or (select rolsuper from pg_roles where rolname = current_user)";
        let sizes = reader
            .rows("select pg_database_size(current_database()),
                (select extract(epoch from max(clock_timestamp() - xact_start))::float8 from pg_stat_activity
                    where backend_type = 'client backend' and pid <> pg_backend_pid()),
                case when pg_is_in_recovery()
                    then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 end")
            .await?;
        Ok(Capacity {
            connections: connections(reader).await?,
            standbys: standbys(reader).await?,
            replay_behind: sizes[0].try_get(2)?,
            oldest_xid: oldest(reader, "age(datfrozenxid)").await?,
            oldest_multixact: oldest(reader, "mxid_age(datminmxid)").await?,
            slots: slots(reader, version).await?,
            fullest_sequence: fullest_sequence(reader).await?,
            database_bytes: sizes[0].try_get(0)?,
            oldest_transaction: ago(sizes[0].try_get(1)?),
            sees_others: reader.value(sees).await?.unwrap_or_default(),
        })
    })
    .await
}

/// Sessions but our own. Of those of others a role without `pg_read_all_stats` sees only whose they are
/// and where.
const CLIENTS: &str = "pid <> pg_backend_pid() and (backend_type = 'client backend'
    or backend_type is null and usesysid is not null and datid is not null)";

async fn connections(reader: Reader<'_>) -> Outcome<Connections> {
    let rows = reader
        .rows(&format!(
            "select current_setting('max_connections')::int8,
                current_setting('superuser_reserved_connections')::int8
                    + coalesce(current_setting('reserved_connections', true), '0')::int8,
                count(*), count(*) filter (where usename = current_user and datname = current_database()),
                count(*) filter (where state like 'idle in transaction%')
             from pg_stat_activity where {CLIENTS}"
        ))
        .await?;
    let row = &rows[0];
    let holders = reader
        .rows(&format!(
            "select coalesce(usename, '?') || '@' || coalesce(datname, '?')
                || case when application_name <> '' then ' (' || application_name || ')' else '' end, count(*)
             from pg_stat_activity where {CLIENTS} group by 1 order by 2 desc, 1 limit 5"
        ))
        .await?;
    let holders = holders
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Connections {
        max: row.try_get(0)?,
        reserved: row.try_get(1)?,
        used: row.try_get(2)?,
        own: row.try_get(3)?,
        idle_in_transaction: row.try_get(4)?,
        holders: holders.collect::<Outcome<_>>()?,
    })
}

async fn standbys(reader: Reader<'_>) -> Outcome<Vec<Standby>> {
    let rows = reader
        .rows(
            "select coalesce(application_name, ''), host(client_addr), coalesce(state, ''),
                (case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_lsn(),
                    coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn)) end)::int8,
                extract(epoch from replay_lag)::float8
             from pg_stat_replication
             where state in ('startup', 'catchup', 'streaming', 'stopping')
                and pid not in (select active_pid from pg_replication_slots where slot_type = 'logical' and active_pid is not null)
             limit 50",
        )
        .await?;
    let read = rows.iter().map(|row| {
        Ok(Standby {
            name: row.try_get(0)?,
            address: row.try_get(1)?,
            state: row.try_get(2)?,
            lag_bytes: row.try_get(3)?,
            lag_seconds: row.try_get(4)?,
        })
    });
    read.collect()
}

async fn oldest(reader: Reader<'_>, age: &str) -> Outcome<(String, i64)> {
    let sql = format!("select datname::text, {age}::int8 from pg_database order by 2 desc limit 1");
    let rows = reader.rows(&sql).await?;
    Ok((rows[0].try_get(0)?, rows[0].try_get(1)?))
}

async fn slots(reader: Reader<'_>, version: u32) -> Outcome<Vec<Slot>> {
    let status = if version >= 130_000 {
        "wal_status"
    } else {
        "null"
    };
    // A standby knows only what it has received.
    let sql = format!(
        "select slot_name::text, active,
            pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn()
                else pg_current_wal_lsn() end, restart_lsn)::int8, {status}::text
         from pg_replication_slots order by 3 desc nulls last limit 100"
    );
    let rows = reader.rows(&sql).await?;
    let read = rows.iter().map(|row| {
        Ok(Slot {
            name: row.try_get(0)?,
            is_active: row.try_get(1)?,
            retained_bytes: row.try_get(2)?,
            wal_status: row.try_get(3)?,
        })
    });
    read.collect()
}

/// By what the sequence, or the column that it is for, can hold.
async fn fullest_sequence(reader: Reader<'_>) -> Outcome<Option<(String, f64)>> {
    let sql = "select quote_ident(schemaname) || '.' || quote_ident(sequencename),
            (last_value::numeric - min_value) / least(max_value::numeric - min_value,
                case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 else max_value end)
        from pg_sequences
        join pg_class c on c.relname = sequencename and relkind = 'S'
        join pg_namespace n on n.oid = relnamespace and nspname = schemaname
        left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
            and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
        left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where last_value is not null and increment_by > 0 and not cycle and max_value > min_value
        order by 2 desc limit 1";
    let sql = format!("select name, used::float8 from ({sql}) fullest (name, used)");
    let rows = reader.rows(&sql).await?;
    let read = rows
        .first()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    read.transpose()
}

fn ago(seconds: Option<f64>) -> Option<SystemTime> {
    let ago = Duration::try_from_secs_f64(seconds?.max(0.0)).ok()?;
    SystemTime::now().checked_sub(ago)
}
