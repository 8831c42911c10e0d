//! The tables of `SHOW`, with PgBouncer's columns.

use std::time::Duration;

use super::config::CONFIG;
use super::sockets::SOCKETS;
use crate::settings::PoolMode;
use crate::snapshot::{Detail, Overview};
use crate::table::{Cell, Column, Table, int4, int8, rfc3339, text};
use crate::totals::Totals;

/// Our version, as `SHOW VERSION` says it.
pub(super) const VERSION: &str = concat!("pgmoor ", env!("CARGO_PKG_VERSION"));

macro_rules! shows {
    ($($variant:ident $name:literal $columns:expr;)*) => {
        /// What can be shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Show {
            $($variant,)*
        }

        impl Show {
            /// Every word that may follow `SHOW`.
            pub(super) const NAMES: &'static [&'static str] = &[$($name),*];

            pub(super) fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its columns; none when it is no table.
            pub(super) fn columns(self) -> &'static [Column] {
                match self {
                    $(Self::$variant => const { $columns },)*
                }
            }
        }
    };
}

shows! {
    Clients "clients" SOCKETS;
    Config "config" CONFIG;
    Credentials "credentials" CREDENTIALS;
    Databases "databases" DATABASES;
    Help "help" &[];
    Lists "lists" &[text("list"), int4("items")];
    Mem "mem" &[text("name"), int8("size"), int8("used"), int8("free"), int8("memtotal")];
    Pools "pools" POOLS;
    Servers "servers" SOCKETS;
    State "state" &[text("key"), text("value")];
    Stats "stats" STATS;
    StatsAverages "stats_averages" AVERAGES;
    StatsTotals "stats_totals" TOTALS;
    Totals "totals" &[text("name"), int8("value")];
    Users "users" USERS;
    Version "version" &[text("version")];
}

/// pgmoor's own: PgBouncer has nothing that is renewed.
const CREDENTIALS: &[Column] = &[
    text("endpoint"),
    text("source"),
    int4("valid"),
    text("fetched"),
    text("expires"),
    text("next_renewal"),
    int8("renewals"),
    int8("failures"),
    text("last_error"),
];

const DATABASES: &[Column] = &[
    text("name"),
    text("host"),
    int4("port"),
    text("database"),
    text("force_user"),
    int4("pool_size"),
    int4("min_pool_size"),
    int4("reserve_pool_size"),
    int4("server_lifetime"),
    text("pool_mode"),
    text("load_balance_hosts"),
    int4("max_connections"),
    int4("current_connections"),
    int4("max_client_connections"),
    int4("current_client_connections"),
    int4("paused"),
    int4("disabled"),
];

const POOLS: &[Column] = &[
    text("database"),
    text("user"),
    int4("cl_active"),
    int4("cl_waiting"),
    int4("cl_active_cancel_req"),
    int4("cl_waiting_cancel_req"),
    int4("sv_active"),
    int4("sv_active_cancel"),
    int4("sv_being_canceled"),
    int4("sv_idle"),
    int4("sv_used"),
    int4("sv_tested"),
    int4("sv_login"),
    int4("maxwait"),
    int4("maxwait_us"),
    text("pool_mode"),
    text("load_balance_hosts"),
];

const USERS: &[Column] = &[
    text("name"),
    text("pool_size"),
    text("reserve_pool_size"),
    text("pool_mode"),
    int4("max_user_connections"),
    int4("current_connections"),
    int4("max_user_client_connections"),
    int4("current_client_connections"),
];

const STATS: &[Column] = &[
    text("database"),
    int8("total_server_assignment_count"),
    int8("total_xact_count"),
    int8("total_query_count"),
    int8("total_received"),
    int8("total_sent"),
    int8("total_xact_time"),
    int8("total_query_time"),
    int8("total_wait_time"),
    int8("total_client_parse_count"),
    int8("total_server_parse_count"),
    int8("total_bind_count"),
    int8("avg_server_assignment_count"),
    int8("avg_xact_count"),
    int8("avg_query_count"),
    int8("avg_recv"),
    int8("avg_sent"),
    int8("avg_xact_time"),
    int8("avg_query_time"),
    int8("avg_wait_time"),
    int8("avg_client_parse_count"),
    int8("avg_server_parse_count"),
    int8("avg_bind_count"),
];

const TOTALS: &[Column] = &[
    text("database"),
    int8("server_assignment_count"),
    int8("xact_count"),
    int8("query_count"),
    int8("bytes_received"),
    int8("bytes_sent"),
    int8("xact_time"),
    int8("query_time"),
    int8("wait_time"),
    int8("client_parse_count"),
    int8("server_parse_count"),
    int8("bind_count"),
];

/// The same columns: PgBouncer names both alike.
const AVERAGES: &[Column] = TOTALS;

pub(super) fn pools(overview: &Overview) -> Table {
    let mut table = Table::new(POOLS);
    for pool in &overview.pools {
        table.push([
            (&*pool.database).into(),
            pool.user.as_str().into(),
            // PgBouncer counts idle clients here, too.
            pool.clients.saturating_sub(pool.waiting_clients).into(),
            pool.waiting_clients.into(),
            0.into(),
            0.into(),
            pool.active_servers.into(),
            pool.closing_servers.into(),
            0.into(),
            pool.idle_servers.into(),
            0.into(),
            pool.resetting_servers.into(),
            pool.opening_servers.into(),
            pool.longest_wait.as_secs().into(),
            u64::from(pool.longest_wait.subsec_micros()).into(),
            mode(pool.mode).into(),
            Cell::Null,
        ]);
    }
    table
}

fn mode(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    }
}

pub(super) fn databases(overview: &Overview) -> Table {
    let mut table = Table::new(DATABASES);
    for database in &overview.databases {
        table.push([
            (&*database.name).into(),
            database.host.as_str().into(),
            u64::from(database.port).into(),
            database.dbname.as_str().into(),
            database.user.clone().into(),
            database.size.into(),
            database.min_idle.into(),
            0.into(),
            database
                .lifetime
                .map_or(0, |lifetime| lifetime.as_secs())
                .into(),
            mode(database.mode).into(),
            Cell::Null,
            database.max_connections.unwrap_or(0).into(),
            database.servers.into(),
            overview.max_clients.into(),
            database.clients.into(),
            database.paused.into(),
            database.disabled.into(),
        ]);
    }
    table
}

pub(super) fn credentials(overview: &Overview) -> Table {
    let mut table = Table::new(CREDENTIALS);
    for endpoint in &overview.endpoints {
        let Some(row) = &endpoint.credential else {
            continue;
        };
        let failures: u64 = row.failures.iter().map(|(_, count)| count).sum();
        let trouble = row.last_failure.as_ref();
        table.push([
            endpoint.name.as_str().into(),
            row.source.as_str().into(),
            row.is_valid.into(),
            row.fetched.map(rfc3339).into(),
            row.expires.map(rfc3339).into(),
            row.next_renewal.map(rfc3339).into(),
            row.renewals.into(),
            failures.into(),
            trouble.map(|trouble| trouble.message.clone()).into(),
        ]);
    }
    table
}

/// The figures of `SHOW STATS` in its order, without the database.
fn totals_row(totals: &Totals) -> [u64; 11] {
    [
        totals.wait.count(),
        totals.transactions,
        totals.queries,
        totals.client_received,
        totals.client_sent,
        totals.transaction.micros,
        totals.query.micros,
        totals.wait.micros,
        totals.client_parses,
        totals.server_parses,
        totals.binds,
    ]
}

/// Counts are for a second, times are means.
fn averages_row(recent: &Totals, period: Duration) -> [u64; 11] {
    let seconds = period.as_secs_f64().max(0.001);
    let mut row = totals_row(recent).map(|count| (count as f64 / seconds) as u64);
    row[5] = recent.transaction.mean_micros();
    row[6] = recent.query.mean_micros();
    row[7] = recent.wait.mean_micros();
    row
}

/// Which figures are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figures {
    Both,
    Totals,
    Averages,
}

pub(super) fn stats(overview: &Overview, which: Figures) -> Table {
    let mut table = Table::new(match which {
        Figures::Both => STATS,
        Figures::Totals => TOTALS,
        Figures::Averages => AVERAGES,
    });
    for (name, totals) in &overview.totals {
        let recent = overview.recent.get(name).cloned().unwrap_or_default();
        let mut row: Vec<Cell> = vec![(&**name).into()];
        if which != Figures::Averages {
            row.extend(totals_row(totals).map(Cell::from));
        }
        if which != Figures::Totals {
            row.extend(averages_row(&recent, overview.period).map(Cell::from));
        }
        table.rows.push(row);
    }
    table
}

pub(super) fn totals(overview: &Overview) -> Table {
    let mut table = Table::new(Show::Totals.columns());
    let (mut all, mut recent) = (Totals::default(), Totals::default());
    overview.totals.values().for_each(|totals| all.add(totals));
    overview
        .recent
        .values()
        .for_each(|totals| recent.add(totals));
    let figures = totals_row(&all)
        .into_iter()
        .chain(averages_row(&recent, overview.period));
    for (column, value) in STATS[1..].iter().zip(figures) {
        table.push([column.name.into(), value.into()]);
    }
    table
}

pub(super) fn users(overview: &Overview, detail: &Detail) -> Table {
    let mut table = Table::new(USERS);
    for user in &overview.users {
        let servers = detail.servers.iter().filter(|row| row.user == *user);
        let clients = detail.clients.iter().filter(|row| *row.user == **user);
        table.push([
            user.as_str().into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            0.into(),
            (servers.count() as u64).into(),
            0.into(),
            (clients.count() as u64).into(),
        ]);
    }
    table
}

pub(super) fn lists(overview: &Overview, detail: &Detail) -> Table {
    let mut table = Table::new(Show::Lists.columns());
    let clients = detail.clients.len() as u64;
    let servers: u64 = overview.pools.iter().map(|pool| pool.open).sum();
    for (name, count) in [
        ("databases", overview.databases.len() as u64),
        ("users", overview.users.len() as u64),
        ("peers", 0),
        ("pools", overview.pools.len() as u64),
        ("peer_pools", 0),
        ("free_clients", 0),
        ("used_clients", clients),
        ("login_clients", overview.connected.saturating_sub(clients)),
        ("free_servers", 0),
        ("used_servers", servers),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ] {
        table.push([name.into(), count.into()]);
    }
    table
}

/// Only what is known: an allocator's inner life is not.
pub(super) fn mem(overview: &Overview, resident: Option<u64>) -> Table {
    let mut table = Table::new(Show::Mem.columns());
    let clients: u64 = overview.pools.iter().map(|pool| pool.clients).sum();
    let servers: u64 = overview.pools.iter().map(|pool| pool.open).sum();
    let sizes = [
        ("client", size_of::<crate::clients::Client>(), clients),
        ("server", size_of::<crate::pool::Server>(), servers),
    ];
    for (name, size, used) in sizes {
        let size = size as u64;
        table.push([
            name.into(),
            size.into(),
            used.into(),
            0.into(),
            (size * used).into(),
        ]);
    }
    if let Some(bytes) = resident {
        table.push([
            "process_resident".into(),
            1.into(),
            bytes.into(),
            0.into(),
            bytes.into(),
        ]);
    }
    table
}

pub(super) fn state(overview: &Overview) -> Table {
    let mut table = Table::new(Show::State.columns());
    let paused = !overview.databases.is_empty() && overview.databases.iter().all(|row| row.paused);
    let word = |value| if value { "yes" } else { "no" };
    table.push(["active".into(), word(!paused).into()]);
    table.push(["paused".into(), word(paused).into()]);
    table.push(["suspended".into(), "no".into()]);
    table
}

pub(super) fn version() -> Table {
    let mut table = Table::new(Show::Version.columns());
    table.push([VERSION.into()]);
    table
}
