//! What the gateway does, as JSON. Keys are added, never changed, within a schema's version.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::SCHEMA;
use super::ready::missing;
use crate::pool::Failure;
use crate::preparation::Stage;
use crate::snapshot::{
    ClientRow, Clock, CredentialRow, DatabaseRow, Detail, EndpointRow, Overview, PoolRow, ServerRow,
};
use crate::table::rfc3339;
use crate::totals::{Buckets, Totals};

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

fn quantiles(buckets: &Buckets) -> Value {
    json!({
        "count": buckets.count(),
        "p50_seconds": buckets.quantile(0.5).map(seconds),
        "p99_seconds": buckets.quantile(0.99).map(seconds),
    })
}

/// The answer to `/status`.
pub(super) fn status(overview: &Overview) -> Value {
    let mut all = Totals::default();
    let mut recent = Totals::default();
    overview.totals.values().for_each(|totals| all.add(totals));
    overview
        .recent
        .values()
        .for_each(|totals| recent.add(totals));
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": overview.uptime().as_secs(),
        "ready": missing(overview).is_empty() && !overview.stopping,
        "stopping": overview.stopping,
        "workers": overview.workers,
        "clients": {
            "connected": overview.connected,
            "max": overview.max_clients,
            "logged_in": overview.pools.iter().map(|pool| pool.clients).sum::<u64>(),
            "active": overview.pools.iter().map(|pool| pool.active_clients).sum::<u64>(),
            "waiting": overview.pools.iter().map(|pool| pool.waiting_clients).sum::<u64>(),
        },
        "servers": {
            "open": overview.pools.iter().map(|pool| pool.open).sum::<u64>(),
            "active": overview.pools.iter().map(|pool| pool.active_servers).sum::<u64>(),
            "idle": overview.pools.iter().map(|pool| pool.idle_servers).sum::<u64>(),
        },
        "last_minute": {
            "seconds": overview.period.as_secs(),
            "queries": recent.queries,
            "transactions": recent.transactions,
            "errors": recent.errors,
            "wait": quantiles(&recent.wait),
            "query": quantiles(&recent.query),
        },
        "since_start": {
            "queries": all.queries,
            "transactions": all.transactions,
            "errors": all.errors,
            "wait": quantiles(&all.wait),
            "query": quantiles(&all.query),
        },
        "pools": overview.pools.iter().map(pool).collect::<Vec<_>>(),
        "databases": overview.databases.iter().map(|row| database(overview, row)).collect::<Vec<_>>(),
        "endpoints": overview.endpoints.iter().map(|row| endpoint(overview.clock, row)).collect::<Vec<_>>(),
    })
}

fn pool(row: &PoolRow) -> Value {
    json!({
        "database": &*row.database,
        "user": row.user,
        "mode": row.mode.to_string(),
        "size": row.size,
        "clients": row.clients,
        "active_clients": row.active_clients,
        "waiting_clients": row.waiting_clients,
        "open": row.open,
        "active": row.active_servers,
        "idle": row.idle_servers,
        "opening": row.opening_servers,
        "resetting": row.resetting_servers,
        "closing": row.closing_servers,
        "longest_wait_seconds": seconds(row.longest_wait),
    })
}

fn database(overview: &Overview, row: &DatabaseRow) -> Value {
    let recent = overview.recent.get(&row.name).cloned().unwrap_or_default();
    json!({
        "name": &*row.name,
        "endpoint": row.endpoint,
        "dbname": row.dbname,
        "mode": row.mode.to_string(),
        "pool_size": row.size,
        "paused": row.paused,
        "disabled": row.disabled,
        "prepared": row.preparation == Stage::Done,
        "reachable": row.reachable,
        "clients": row.clients,
        "waiting_clients": row.waiting_clients,
        "servers": row.servers,
        "last_minute": {
            "queries": recent.queries,
            "transactions": recent.transactions,
            "errors": recent.errors,
            "wait": quantiles(&recent.wait),
            "query": quantiles(&recent.query),
        },
    })
}

fn endpoint(clock: Clock, row: &EndpointRow) -> Value {
    json!({
        "name": row.name,
        "hosts": row.hosts,
        "user": row.user,
        "open": row.open,
        "max_connections": row.max_connections,
        "databases": row.databases.iter().map(|name| &**name).collect::<Vec<_>>(),
        "reachable": row.reachable,
        "last_success": row.last_success.map(|then| rfc3339(clock.time_of(then))),
        "last_error": row.last_failure.as_ref().map(|last| failure(clock, last)),
        "credential": row.credential.as_ref().map(|row| credential(clock, row)),
    })
}

fn credential(clock: Clock, row: &CredentialRow) -> Value {
    let failures = row.failures.iter().filter(|(_, count)| *count > 0);
    let failures = failures.map(|(cause, count)| ((*cause).to_owned(), json!(count)));
    json!({
        "source": row.source,
        "valid": row.is_valid,
        "age_seconds": row.age(clock.time).map(|age| age.as_secs()),
        "expires": row.expires.map(rfc3339),
        "expires_in_seconds": row.left(clock.time).map(|left| left.as_secs()),
        "next_renewal": row.next_renewal.map(rfc3339),
        "renewals": row.renewals,
        "failures": failures.collect::<serde_json::Map<_, _>>(),
        "last_error": row.last_failure.as_ref().map(|last| json!({
            "at": last.at.map(rfc3339),
            "message": last.message,
            "hint": last.hint,
        })),
    })
}

fn failure(clock: Clock, failure: &Failure) -> Value {
    json!({
        "at": rfc3339(clock.time_of(failure.at)),
        "message": failure.message,
        "hint": failure.hint,
        "sqlstate": failure.sqlstate,
    })
}

/// The answer to `/clients`.
pub(super) fn clients(clock: Clock, detail: &Detail) -> Value {
    let time = |moment| -> SystemTime { clock.time_of(moment) };
    let row = |row: &ClientRow| {
        json!({
            "id": row.id,
            "worker": row.worker,
            "database": &*row.database,
            "user": &*row.user,
            "application_name": row.application_name,
            "address": row.peer.to_string(),
            "tls": row.tls,
            "state": row.state.as_str(),
            "connected": rfc3339(time(row.connected)),
            "last_active": rfc3339(time(row.heard)),
            "waiting_seconds": row.waiting_since.map(|since| seconds(clock.since(since))),
            "server": row.server,
            "prepared_statements": row.prepared,
        })
    };
    json!({
        "schema": SCHEMA,
        "clients": detail.clients.iter().map(row).collect::<Vec<_>>(),
        "silent_workers": detail.silent,
    })
}

/// The answer to `/servers`.
pub(super) fn servers(clock: Clock, detail: &Detail) -> Value {
    let row = |row: &ServerRow| {
        json!({
            "id": row.id,
            "worker": row.worker,
            "database": &*row.database,
            "user": row.user,
            "endpoint": &*row.endpoint,
            "address": row.peer.to_string(),
            "pid": row.pid,
            "tls": row.tls.as_deref(),
            "state": row.state.as_str(),
            "opened": rfc3339(clock.time_of(row.opened)),
            "last_used": rfc3339(clock.time_of(row.used)),
            "client": row.client,
            "prepared_statements": row.prepared,
            "close_needed": row.close_needed,
        })
    };
    json!({
        "schema": SCHEMA,
        "servers": detail.servers.iter().map(row).collect::<Vec<_>>(),
        "silent_workers": detail.silent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_one_document_that_says_it_all() {
        let (overview, detail) = crate::console::tests::busy();
        let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");

        insta::assert_snapshot!("status", pretty(&status(&overview)));
        insta::assert_snapshot!("clients", pretty(&clients(overview.clock, &detail)));
        insta::assert_snapshot!("servers", pretty(&servers(overview.clock, &detail)));
    }
}
