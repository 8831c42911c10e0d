//! Tables from a made-up gateway.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use pgmoor::stream::Peer;

use super::show::{self, Figures};
use super::sockets;
use crate::clock::Moment;
use crate::settings::PoolMode;
use crate::snapshot::{
    ClientRow, ClientState, Clock, CredentialRow, DatabaseRow, Detail, EndpointRow, Overview,
    PoolRow, ServerRow, ServerState, Trouble,
};
use crate::table::Table;
use crate::totals::{ByDatabase, Totals};

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

fn totals(queries: u64) -> Totals {
    let mut totals = Totals {
        queries,
        transactions: queries / 2,
        client_received: queries * 100,
        client_sent: queries * 200,
        ..Totals::default()
    };
    totals.wait.counts[3] = queries / 2;
    totals.wait.micros = queries / 2 * 300;
    totals.query.counts[5] = queries;
    totals.query.micros = queries * 1_500;
    totals
}

/// A gateway that has run for 100 s, with one client in a transaction and one that waits.
pub(crate) fn busy() -> (Overview, Detail) {
    (busy_overview(), busy_detail())
}

fn busy_overview() -> Overview {
    Overview {
        clock: Clock {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            moment: at(101),
        },
        started: at(1),
        stopping: false,
        connected: 3,
        max_clients: 10_000,
        workers: 2,
        pools: vec![PoolRow {
            database: "app".into(),
            user: "app".into(),
            mode: PoolMode::Transaction,
            size: 20,
            clients: 3,
            active_clients: 1,
            waiting_clients: 1,
            open: 3,
            active_servers: 1,
            idle_servers: 1,
            opening_servers: 1,
            resetting_servers: 0,
            closing_servers: 0,
            longest_wait: Duration::from_micros(2_500_000),
        }],
        databases: vec![DatabaseRow {
            name: "app".into(),
            endpoint: "primary".into(),
            host: "db.example.com".into(),
            port: 5432,
            dbname: "app_production".into(),
            user: Some("app".into()),
            mode: PoolMode::Transaction,
            size: 20,
            min_idle: 2,
            lifetime: Some(Duration::from_secs(3600)),
            max_connections: Some(100),
            clients: 3,
            waiting_clients: 1,
            servers: 3,
            paused: true,
            disabled: false,
            preparation: crate::preparation::Stage::Done,
            reachable: Some(true),
            last_success: Some(at(51)),
            last_failure: None,
        }],
        endpoints: vec![EndpointRow {
            name: "primary".into(),
            hosts: vec!["db.example.com:5432".into()],
            user: "app".into(),
            open: 3,
            max_connections: Some(100),
            databases: vec!["app".into()],
            reachable: Some(true),
            last_success: Some(at(51)),
            last_failure: None,
            credential: Some(CredentialRow {
                source: "AWS".into(),
                is_valid: true,
                fetched: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_699_999_400)),
                expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_300)),
                next_renewal: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_004)),
                renewals: 7,
                failures: vec![("refused", 0), ("unavailable", 3)],
                last_failure: Some(Trouble {
                    at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_699_999_999)),
                    message: "cannot ask the issuer: it answered 503".into(),
                    hint: Some("wait for it".into()),
                }),
            }),
        }],
        users: vec!["app".into(), "ops".into()],
        totals: ByDatabase::from([("app".into(), totals(1_200))]),
        period: Duration::from_secs(60),
        recent: ByDatabase::from([("app".into(), totals(600))]),
    }
}

fn busy_detail() -> Detail {
    let client = |id, state| ClientRow {
        id,
        worker: 0,
        database: "app".into(),
        user: "app".into(),
        application_name: "web".into(),
        peer: Peer::Tcp(SocketAddr::from(([192, 0, 2, 7], 50_123))),
        tls: Some("TLSv1.3 TLS_AES_256_GCM_SHA384".into()),
        state,
        connected: at(11),
        heard: at(98),
        waiting_since: (state == ClientState::Waiting).then(|| Moment::from_micros(98_500_000)),
        server: (state == ClientState::IdleInTransaction).then_some(4),
        prepared: 2,
    };
    let server = ServerRow {
        id: 4,
        worker: 0,
        database: "app".into(),
        user: "app".into(),
        endpoint: "primary".into(),
        peer: Peer::Unix {
            uid: 26,
            gid: 26,
            pid: Some(99),
        },
        pid: Some(4242),
        tls: None,
        state: ServerState::Active,
        opened: at(50),
        used: at(98),
        client: Some(1),
        application_name: "web".into(),
        prepared: 5,
        close_needed: true,
    };
    Detail {
        clients: vec![
            client(1, ClientState::IdleInTransaction),
            client(2, ClientState::Waiting),
        ],
        servers: vec![server],
        silent: Vec::new(),
    }
}

/// One line for each value: wide tables stay readable.
fn tall(table: &Table) -> String {
    let mut out = String::new();
    for (index, row) in table.rows.iter().enumerate() {
        let _ = writeln!(out, "-- {}", index + 1);
        for (column, cell) in table.columns.iter().zip(row) {
            let value = cell.to_text().unwrap_or_else(|| "NULL".into());
            let _ = writeln!(out, "{:<30}{value}", column.name);
        }
    }
    out.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[test]
fn pools_and_databases_have_the_columns_of_pgbouncer() {
    let (overview, _) = busy();

    insta::assert_snapshot!("pools", tall(&show::pools(&overview)));
    insta::assert_snapshot!("databases", tall(&show::databases(&overview)));
}

#[test]
fn clients_and_servers_have_the_columns_of_pgbouncer() {
    let (overview, detail) = busy();

    insta::assert_snapshot!("clients", tall(&sockets::clients(&overview, &detail)));
    insta::assert_snapshot!("servers", tall(&sockets::servers(&overview, &detail)));
}

#[test]
fn statistics_are_totals_and_averages_of_the_last_minute() {
    let (overview, _) = busy();

    insta::assert_snapshot!("stats", tall(&show::stats(&overview, Figures::Both)));
    let of = |which| tall(&show::stats(&overview, which));
    insta::assert_snapshot!("stats_totals", of(Figures::Totals));
    insta::assert_snapshot!("stats_averages", of(Figures::Averages));
    insta::assert_snapshot!("totals", tall(&show::totals(&overview)));
}

#[test]
fn credentials_are_shown_with_their_age_and_their_trouble() {
    let (overview, _) = busy();

    insta::assert_snapshot!("credentials", tall(&show::credentials(&overview)));
}

#[test]
fn short_tables_say_what_there_is() {
    let (overview, detail) = busy();

    insta::assert_snapshot!("lists", tall(&show::lists(&overview, &detail)));
    insta::assert_snapshot!("users", tall(&show::users(&overview, &detail)));
    insta::assert_snapshot!("state", tall(&show::state(&overview)));
}
