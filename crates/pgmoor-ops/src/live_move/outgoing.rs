//! What makes a side send its changes: a publication of all tables, a slot, a guard that notes definitions.

use std::time::Duration;

use pgmoor_wire::lsn::Lsn;
use tokio::time::{Instant, sleep};

use super::error::MoveError;
use super::journal::STATEMENT;
use super::names::{self, SCHEMA};
use super::side::Side;
use crate::error::Error;
use crate::session::Session;
use crate::sql::{literal, qualified};
use crate::wire_session::{WireError, WireSession};

/// How long a slot may take to be made before anybody depends on it: it waits for the transactions that are open.
pub const PATIENT: Duration = Duration::from_secs(3_600);
/// The same where changes wait to be done meanwhile.
pub const BRIEF: Duration = Duration::from_secs(60);

/// A table that sends changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// As it stands in SQL.
    pub name: String,
    /// Whether a row can be told from others, so that changes of rows can be sent.
    pub has_identity: bool,
    /// `pg_class.relreplident`.
    pub identity: String,
}

/// Tables with rows of their own: not temporary, not unlogged, not of extensions, not those of the move.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn tables(session: &Session) -> Result<Vec<Sent>, MoveError> {
    let sql = format!(
        "select nspname::text, relname::text, relreplident::text,
            relreplident = 'f' or exists (select from pg_index where indrelid = c.oid
                and indisvalid and indimmediate
                and case relreplident when 'd' then indisprimary when 'i' then indisreplident else false end)
         from pg_class c join pg_namespace n on n.oid = relnamespace
         where relkind = 'r' and relpersistence = 'p' and nspname !~ '^(pg_|information_schema$)'
            and nspname <> '{SCHEMA}'
            and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
         order by 1, 2"
    );
    let rows = session.client().query_typed(&sql, &[]);
    let rows = session.within("list the tables", STATEMENT, rows).await?;
    let sent = rows.iter().map(|row| Sent {
        name: qualified(row.get(0), row.get(1)),
        identity: row.get(2),
        has_identity: row.get(3),
    });
    Ok(sent.collect())
}

/// Makes the publication, and lets tables without identity be told apart by all of their values.
///
/// Waits for no lock for longer than a moment: clients would wait behind it.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn publish(session: &Session) -> Result<(), MoveError> {
    let name = names::outgoing(&session.database);
    let tables = tables(session).await?;
    for table in tables.iter().filter(|table| !table.has_identity) {
        let sql = format!("alter table only {} replica identity full", table.name);
        patiently(session, "set a replica identity", &sql).await?;
    }
    let all = tables.iter().map(|table| format!("only {}", table.name));
    let all = std::iter::once(format!("{SCHEMA}.message")).chain(all);
    let all = all.collect::<Vec<_>>().join(", ");
    let sql =
        format!("drop publication if exists {name}; create publication {name} for table {all}");
    patiently(session, "make the publication", &sql).await
}

/// Runs a statement that needs locks, again and again, so that nobody waits behind it for long.
async fn patiently(session: &Session, act: &str, sql: &str) -> Result<(), MoveError> {
    let sql = format!("set lock_timeout = '200ms'; {sql}");
    let deadline = Instant::now() + STATEMENT;
    loop {
        let run = session.client().batch_execute(&sql);
        let outcome = session.within(act, STATEMENT, run).await;
        let reset = session.client().batch_execute("set lock_timeout = 0");
        session.within(act, STATEMENT, reset).await?;
        match outcome {
            Err(error)
                if error
                    .sqlstate()
                    .is_some_and(|code| code.as_str() == "55P03")
                    && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(100)).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Puts replica identities back as they were.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn restore_identities(
    session: &Session,
    identities: &[(String, String)],
) -> Result<(), MoveError> {
    for (table, was) in identities {
        if !exists(session, table).await? {
            continue;
        }
        let identity = match was.as_str() {
            // By an index that is gone is by nothing.
            "n" | "i" => "nothing",
            _ => "default",
        };
        let sql = format!("alter table only {table} replica identity {identity}");
        patiently(session, "put a replica identity back", &sql).await?;
    }
    Ok(())
}

async fn exists(session: &Session, table: &str) -> Result<bool, MoveError> {
    let sql = format!("select to_regclass({}) is not null", literal(table));
    let query = session.client().query_typed(&sql, &[]);
    let rows = session.within("look for a table", STATEMENT, query).await?;
    Ok(rows[0].get(0))
}

/// A slot as it was made.
#[derive(Debug)]
pub struct Slot {
    /// All that is committed from here on is sent.
    pub from: Lsn,
    /// What is before, for as long as the session lives that made the slot.
    pub snapshot: Option<String>,
    /// That session.
    pub session: WireSession,
}

/// Makes a slot that keeps the log until it is read. With it comes a snapshot of exactly what is before.
///
/// # Errors
/// No slot is free, the role may not, or a transaction stays open.
pub async fn make_slot(
    side: &Side,
    name: &str,
    is_temporary: bool,
    limit: Duration,
) -> Result<Slot, MoveError> {
    let mut session = side.replication().await?;
    let temporary = if is_temporary { " TEMPORARY" } else { "" };
    // The words that all versions understand.
    let sql =
        format!("CREATE_REPLICATION_SLOT \"{name}\"{temporary} LOGICAL pgoutput EXPORT_SNAPSHOT");
    let rows = session.query_within(limit, &sql).await;
    let rows = rows.map_err(|error| match error {
        WireError::Timeout { .. } => MoveError::NotNow {
            verb: "make a slot",
            why: format!(
                "a transaction at {} was open for longer than {} s, in whichever database of that server",
                side.endpoint,
                limit.as_secs()
            ),
            hint: "look at pg_stat_activity (xact_start) and pg_prepared_xacts there".into(),
        },
        other => other.into(),
    })?;
    let row = rows
        .into_iter()
        .next()
        .and_then(|answer| answer.rows.into_iter().next());
    let row = row.unwrap_or_default();
    let from = row.text(1).and_then(|text| text.parse().ok());
    let from = from.ok_or_else(|| MoveError::Stream {
        endpoint: side.endpoint.clone(),
        why: "a slot was made and its place not told".into(),
    })?;
    Ok(Slot {
        from,
        snapshot: row.text(2).map(str::to_owned),
        session,
    })
}

/// Ends who reads a slot.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn end_reader(session: &Session, name: &str) -> Result<(), MoveError> {
    let sql = format!(
        "select pg_terminate_backend(active_pid) from pg_replication_slots
         where slot_name = {} and active_pid is not null",
        literal(name)
    );
    let end = session.client().query_typed(&sql, &[]);
    session
        .within("end who reads the slot", STATEMENT, end)
        .await?;
    Ok(())
}

/// Drops a slot, and ends who reads it.
///
/// # Errors
/// Who reads it does not end.
pub async fn drop_slot(session: &Session, name: &str) -> Result<(), MoveError> {
    let slot = name;
    let name = literal(name);
    let drop = format!(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = {name} and active_pid is null"
    );
    let left = format!("select count(*) from pg_replication_slots where slot_name = {name}");
    let deadline = Instant::now() + STATEMENT;
    loop {
        end_reader(session, slot).await?;
        let run = session.client().query_typed(&drop, &[]);
        let outcome = session.within("drop the slot", STATEMENT, run).await;
        // Somebody may have been quicker, to read or to drop it.
        let is_race = |error: &Error| {
            let code = error.sqlstate();
            code.is_some_and(|code| matches!(code.as_str(), "55006" | "42704"))
        };
        match outcome {
            Err(error) if !is_race(&error) => return Err(error.into()),
            _ => {}
        }
        let rows = session.client().query_typed(&left, &[]);
        let rows = session.within("look for the slot", STATEMENT, rows).await?;
        if rows[0].get::<_, i64>(0) == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(MoveError::NotNow {
                verb: "drop the slot",
                why: format!("the slot {name} is being read, and who reads it does not end"),
                hint: "look at pg_replication_slots".into(),
            });
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Drops the publication.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn unpublish(session: &Session) -> Result<(), MoveError> {
    let name = names::outgoing(&session.database);
    let sql = format!("drop publication if exists {name}");
    let drop = session.client().batch_execute(&sql);
    Ok(session
        .within("drop the publication", STATEMENT, drop)
        .await?)
}

/// How much of its log the server keeps for a slot, in bytes; `None` when there is no such slot.
///
/// # Errors
/// [`MoveError::SlotLost`] when it keeps nothing any more.
pub async fn kept(session: &Session, name: &str) -> Result<Option<u64>, MoveError> {
    let lost = match session.server_version >= 130_000 {
        true => "coalesce(wal_status = 'lost', false)",
        false => "false",
    };
    let sql = format!(
        "select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8, {lost}
         from pg_replication_slots where slot_name = {}",
        literal(name)
    );
    let rows = session.client().query_typed(&sql, &[]);
    let rows = session.within("look at the slot", STATEMENT, rows).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    if row.get(1) {
        return Err(MoveError::SlotLost {
            slot: name.to_owned(),
        });
    }
    let kept: Option<i64> = row.get(0);
    Ok(Some(
        u64::try_from(kept.unwrap_or_default()).unwrap_or_default(),
    ))
}

/// Has the server note every definition that changes, in the changes themselves. False where the role may not.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn guard(session: &Session) -> Result<bool, MoveError> {
    let sql = format!(
        "create or replace function {SCHEMA}.note_definition() returns event_trigger
            language plpgsql security definer set search_path = pg_catalog as $body$
        declare
            what record;
        begin
            if tg_event = 'sql_drop' then
                for what in select object_type, object_identity from pg_event_trigger_dropped_objects()
                    where original and not is_temporary and schema_name is distinct from '{SCHEMA}'
                loop
                    insert into {SCHEMA}.message (kind, text)
                        values ('ddl', 'DROP ' || upper(what.object_type) || ' ' || what.object_identity);
                end loop;
            else
                for what in select command_tag, object_identity from pg_event_trigger_ddl_commands()
                    where schema_name is distinct from 'pg_temp' and schema_name is distinct from '{SCHEMA}'
                        and command_tag <> 'REFRESH MATERIALIZED VIEW'
                loop
                    insert into {SCHEMA}.message (kind, text)
                        values ('ddl', what.command_tag || coalesce(' ' || what.object_identity, ''));
                end loop;
            end if;
        end $body$;
        drop event trigger if exists pgmoor_move_commands;
        drop event trigger if exists pgmoor_move_drops;
        create event trigger pgmoor_move_commands on ddl_command_end
            execute function {SCHEMA}.note_definition();
        create event trigger pgmoor_move_drops on sql_drop
            execute function {SCHEMA}.note_definition()"
    );
    let make = session.client().batch_execute(&sql);
    match session.within("watch definitions", STATEMENT, make).await {
        Ok(()) => Ok(true),
        Err(error)
            if error
                .sqlstate()
                .is_some_and(|code| code.as_str() == "42501") =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the watch.
///
/// # Errors
/// [`MoveError::Server`].
pub async fn unguard(session: &Session) -> Result<(), MoveError> {
    let sql = "drop event trigger if exists pgmoor_move_commands;
        drop event trigger if exists pgmoor_move_drops";
    let drop = session.client().batch_execute(sql);
    Ok(session
        .within("end the watch of definitions", STATEMENT, drop)
        .await?)
}
