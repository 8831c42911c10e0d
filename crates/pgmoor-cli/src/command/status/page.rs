//! The status for people: first whether all is well, then who waits for what.

use std::fmt::Write;

use serde::Deserialize;

/// As much of `/status` as the page shows.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    version: String,
    uptime_seconds: u64,
    ready: bool,
    stopping: bool,
    clients: Clients,
    databases: Vec<Database>,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
struct Clients {
    logged_in: u64,
    active: u64,
    waiting: u64,
    max: u64,
}

#[derive(Debug, Deserialize)]
struct Database {
    name: String,
    mode: String,
    endpoint: String,
    paused: bool,
    disabled: bool,
    reachable: Option<bool>,
    clients: u64,
    waiting_clients: u64,
    servers: u64,
    pool_size: u64,
    last_minute: Minute,
}

#[derive(Debug, Deserialize)]
struct Minute {
    transactions: u64,
    errors: u64,
    wait: Times,
    query: Times,
}

#[derive(Debug, Deserialize)]
struct Times {
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    name: String,
    hosts: Vec<String>,
    open: u64,
    max_connections: Option<u64>,
    reachable: Option<bool>,
    last_error: Option<Failure>,
    /// Not told by gateways of before.
    #[serde(default)]
    credential: Option<Credential>,
}

#[derive(Debug, Deserialize)]
struct Credential {
    valid: bool,
    expires_in_seconds: Option<u64>,
    last_error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    message: String,
    hint: Option<String>,
}

/// The page.
pub(super) fn write(status: &Status) -> String {
    let mut out = String::new();
    let state = match (status.stopping, status.ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "NOT READY",
    };
    let _ = writeln!(
        out,
        "pgmoor {}: {state}, up {}",
        status.version,
        long(status.uptime_seconds)
    );
    let clients = &status.clients;
    let idle = clients
        .logged_in
        .saturating_sub(clients.active + clients.waiting);
    let _ = writeln!(
        out,
        "clients  {} of at most {}: {} active, {} waiting, {idle} idle\n",
        clients.logged_in, clients.max, clients.active, clients.waiting
    );
    table(&mut out, &databases(&status.databases));
    out.push('\n');
    table(&mut out, &endpoints(&status.endpoints));
    for endpoint in &status.endpoints {
        if let (Some(false), Some(failure)) = (endpoint.reachable, &endpoint.last_error) {
            let _ = writeln!(out, "\n{}: {}", endpoint.name, failure.message);
            if let Some(hint) = &failure.hint {
                let _ = writeln!(out, "hint: {hint}");
            }
        }
        let credential = endpoint.credential.as_ref();
        if let Some(trouble) = credential.and_then(|credential| credential.last_error.as_ref()) {
            let _ = writeln!(
                out,
                "\n{}: the credential is not renewed: {}",
                endpoint.name, trouble.message
            );
            if let Some(hint) = &trouble.hint {
                let _ = writeln!(out, "hint: {hint}");
            }
        }
    }
    out
}

fn databases(databases: &[Database]) -> Vec<Vec<String>> {
    let heads = [
        "DATABASE", "STATE", "MODE", "ENDPOINT", "CLIENTS", "WAITING", "SERVERS", "WAIT", "QUERY",
        "TX/MIN", "ERRORS",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(databases.iter().map(|database| {
        let state = match (database.paused, database.disabled, database.reachable) {
            (true, _, _) => "paused",
            (_, true, _) => "disabled",
            (_, _, Some(true)) => "ok",
            (_, _, Some(false)) => "FAILS",
            (_, _, None) => "unused",
        };
        let minute = &database.last_minute;
        vec![
            database.name.clone(),
            state.to_owned(),
            database.mode.clone(),
            database.endpoint.clone(),
            database.clients.to_string(),
            database.waiting_clients.to_string(),
            format!("{}/{}", database.servers, database.pool_size),
            times(&minute.wait),
            times(&minute.query),
            minute.transactions.to_string(),
            minute.errors.to_string(),
        ]
    }));
    rows
}

fn endpoints(endpoints: &[Endpoint]) -> Vec<Vec<String>> {
    let heads = ["ENDPOINT", "STATE", "CONNECTIONS", "CREDENTIAL", "HOSTS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(endpoints.iter().map(|endpoint| {
        let state = match endpoint.reachable {
            Some(true) => "ok",
            Some(false) => "FAILS",
            None => "unused",
        };
        let limit = endpoint
            .max_connections
            .map_or("no limit".to_owned(), |limit| limit.to_string());
        vec![
            endpoint.name.clone(),
            state.to_owned(),
            format!("{}/{limit}", endpoint.open),
            credential(endpoint.credential.as_ref()),
            endpoint.hosts.join(", "),
        ]
    }));
    rows
}

/// How what an endpoint is logged in to with stands, where that is renewed.
fn credential(credential: Option<&Credential>) -> String {
    let Some(credential) = credential else {
        return "-".to_owned();
    };
    match (credential.valid, credential.expires_in_seconds) {
        (true, Some(seconds)) => format!("for {}", long(seconds)),
        (true, None) => "ok".to_owned(),
        (false, _) if credential.last_error.is_some() => "NONE".to_owned(),
        (false, _) => "none yet".to_owned(),
    }
}

/// Median and 99th percentile of the last minute.
fn times(times: &Times) -> String {
    match (times.p50_seconds, times.p99_seconds) {
        (Some(p50), Some(p99)) => format!("{} / {}", short(p50), short(p99)),
        _ => "-".to_owned(),
    }
}

fn short(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

fn long(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

fn table(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_stands_out_and_times_have_units() {
        let minute = json!({
            "transactions": 1200, "errors": 2,
            "wait": { "p50_seconds": 0.000_04, "p99_seconds": 0.0312 },
            "query": { "p50_seconds": null, "p99_seconds": null },
        });
        let status = json!({
            "version": "0.1.0", "uptime_seconds": 7300, "ready": false, "stopping": false,
            "clients": { "logged_in": 12, "active": 3, "waiting": 1, "max": 10000 },
            "databases": [{
                "name": "app", "mode": "transaction", "endpoint": "primary", "paused": false, "disabled": false,
                "reachable": false, "clients": 12, "waiting_clients": 1, "servers": 3, "pool_size": 20,
                "last_minute": minute,
            }],
            "endpoints": [{
                "name": "primary", "hosts": ["db:5432"], "open": 3, "max_connections": 100, "reachable": false,
                "last_error": { "message": "cannot reach db:5432: refused", "hint": "is PostgreSQL running there?" },
            }, {
                "name": "cloud", "hosts": ["rds:5432"], "open": 3, "max_connections": 100, "reachable": true,
                "credential": {
                    "valid": true, "expires_in_seconds": 700,
                    "last_error": { "message": "cannot assume role app: it answered 503", "hint": null },
                },
            }],
        });
        let status: Status = serde_json::from_value(status).expect("a status");

        insta::assert_snapshot!(write(&status), @r"
        pgmoor 0.1.0: NOT READY, up 2 h
        clients  12 of at most 10000: 3 active, 1 waiting, 8 idle

        DATABASE  STATE  MODE         ENDPOINT  CLIENTS  WAITING  SERVERS  WAIT             QUERY  TX/MIN  ERRORS
        app       FAILS  transaction  primary   12       1        3/20     40 µs / 31.2 ms  -      1200    2

        ENDPOINT  STATE  CONNECTIONS  CREDENTIAL  HOSTS
        primary   FAILS  3/100        -           db:5432
        cloud     ok     3/100        for 11 min  rds:5432

        primary: cannot reach db:5432: refused
        hint: is PostgreSQL running there?

        cloud: the credential is not renewed: cannot assume role app: it answered 503
        ");
    }
}
