//! What the gateway shows in its metrics, read from a picture of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::declared::{
    ACCEPT_DELAYS, BUDGET, BUILD, CLIENT_BYTES, CLIENTS, CLIENTS_MAX, CLIENTS_OPEN, CONNECT,
    CONNECTS, CPU, CREDENTIAL_AGE, CREDENTIAL_FAILURES, CREDENTIAL_LEFT, CREDENTIAL_RENEWALS,
    CREDENTIAL_VALID, DISCARDS_BY, ERRORS, EVICTIONS, EXPIRY, FDS, FDS_MAX, LOGINS, OLDEST, PAUSED,
    PINS_BY, QUERIES, QUERY, REACHABLE, RELOADED, RELOADS, RESIDENT, SERVER_BYTES, SERVERS,
    SERVERS_MAX, STARTED, STATEMENTS, THREADS, TIMEOUTS, TRANSACTION, TRANSACTIONS, UP, VIRTUAL,
    WAIT, WORKERS,
};
use super::page::Page;
use crate::counters::{CLASSES, DISCARDS, Stage};
use crate::process::Process;
use crate::snapshot::{Overview, PoolRow, Presence};
use crate::sql::PinReason;

/// Everything that the page says.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) overview: Overview,
    pub(crate) presence: HashMap<Arc<str>, Presence>,
    /// Workers that did not answer.
    pub(crate) silent: usize,
    pub(crate) reloads: [u64; 2],
    /// Seconds since 1970; 0 for never.
    pub(crate) reloaded: u64,
    pub(crate) logins: u64,
    pub(crate) accept_delays: u64,
    pub(crate) errors: [[u64; CLASSES.len()]; Stage::ALL.len()],
    pub(crate) certificate_expires: Option<SystemTime>,
    pub(crate) process: Option<Process>,
}

impl Collector for Readings {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.gateway(&mut page)?;
        self.connections(&mut page)?;
        self.credentials(&mut page)?;
        self.databases(&mut page)?;
        self.traffic(&mut page)?;
        self.statements(&mut page)?;
        self.process(&mut page)
    }
}

impl Readings {
    fn gateway(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        page.describe(BUILD, |samples| {
            samples.add(&[env!("CARGO_PKG_VERSION")], 1)
        })?;
        page.one(UP, !overview.stopping)?;
        page.describe(WORKERS, |samples| {
            let answering = overview.workers.saturating_sub(self.silent);
            samples.add(&["answering"], answering as u64)?;
            samples.add(&["silent"], self.silent as u64)
        })?;
        page.describe(RELOADS, |samples| {
            samples.add(&["success"], self.reloads[0])?;
            samples.add(&["failure"], self.reloads[1])
        })?;
        if self.reloaded > 0 {
            page.one(RELOADED, self.reloaded)?;
        }
        page.describe(ERRORS, |samples| {
            for stage in Stage::ALL {
                let mut counts = self.errors[stage as usize];
                if stage == Stage::Server {
                    for totals in overview.totals.values() {
                        for (count, more) in counts.iter_mut().zip(totals.server_errors) {
                            *count += more;
                        }
                    }
                }
                let met = CLASSES.iter().zip(counts).filter(|(_, count)| *count > 0);
                for (class, count) in met {
                    samples.add(&[stage.as_str(), class], count)?;
                }
            }
            Ok(())
        })?;
        if let Some(expires) = self.certificate_expires {
            page.describe(EXPIRY, |samples| samples.add(&["listen"], expires))?;
        }
        Ok(())
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        let sum =
            |name: &str, of: fn(&PoolRow) -> u64| overview.pools_of(name).map(of).sum::<u64>();
        page.describe(CLIENTS, |samples| {
            for row in &overview.databases {
                let name = &*row.name;
                let presence = self.presence.get(name).copied().unwrap_or_default();
                let idle_in_transaction = presence.idle_in_transaction;
                let active = sum(name, |pool| pool.active_clients);
                let waiting = sum(name, |pool| pool.waiting_clients);
                let idle = sum(name, |pool| pool.clients).saturating_sub(active + waiting);
                let active = active.saturating_sub(idle_in_transaction);
                samples.add(&[name, "active"], active)?;
                samples.add(&[name, "waiting"], waiting)?;
                samples.add(&[name, "idle"], idle)?;
                samples.add(&[name, "idle_in_transaction"], idle_in_transaction)?;
            }
            Ok(())
        })?;
        page.one(CLIENTS_MAX, overview.max_clients)?;
        page.one(CLIENTS_OPEN, overview.connected)?;
        page.one(LOGINS, self.logins)?;
        page.one(ACCEPT_DELAYS, self.accept_delays)?;
        page.describe(SERVERS, |samples| {
            for row in &overview.databases {
                let name = &*row.name;
                samples.add(&[name, "active"], sum(name, |pool| pool.active_servers))?;
                samples.add(&[name, "idle"], sum(name, |pool| pool.idle_servers))?;
                samples.add(&[name, "login"], sum(name, |pool| pool.opening_servers))?;
                samples.add(&[name, "reset"], sum(name, |pool| pool.resetting_servers))?;
                samples.add(&[name, "closing"], sum(name, |pool| pool.closing_servers))?;
            }
            Ok(())
        })?;
        page.describe(SERVERS_MAX, |samples| {
            for row in &overview.databases {
                let pools = overview.pools_of(&row.name).count().max(1) as u64;
                samples.add(&[&row.name], row.size * pools)?;
            }
            Ok(())
        })?;
        page.describe(BUDGET, |samples| {
            for row in &overview.endpoints {
                if let Some(allotted) = row.max_connections {
                    samples.add(&[&row.name, "allotted"], allotted)?;
                }
                samples.add(&[&row.name, "used"], row.open)?;
            }
            Ok(())
        })
    }

    fn credentials(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        let now = overview.clock.time;
        let all = || {
            let rows = overview.endpoints.iter();
            rows.filter_map(|row| Some((row.name.as_str(), row.credential.as_ref()?)))
        };
        page.describe(CREDENTIAL_AGE, |samples| {
            let mut aged = all().filter_map(|(name, row)| Some((name, row.age(now)?)));
            aged.try_for_each(|(name, age)| samples.add(&[name], age))
        })?;
        page.describe(CREDENTIAL_LEFT, |samples| {
            let mut ending = all().filter_map(|(name, row)| Some((name, row.left(now)?)));
            ending.try_for_each(|(name, left)| samples.add(&[name], left))
        })?;
        page.describe(CREDENTIAL_VALID, |samples| {
            all().try_for_each(|(name, row)| samples.add(&[name], row.is_valid))
        })?;
        page.describe(CREDENTIAL_RENEWALS, |samples| {
            all().try_for_each(|(name, row)| samples.add(&[name], row.renewals))
        })?;
        page.describe(CREDENTIAL_FAILURES, |samples| {
            for (name, row) in all() {
                for (cause, count) in &row.failures {
                    samples.add(&[name, cause], *count)?;
                }
            }
            Ok(())
        })
    }

    fn databases(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        page.describe(PAUSED, |samples| {
            for row in &overview.databases {
                samples.add(&[&row.name], row.paused)?;
            }
            Ok(())
        })?;
        page.describe(REACHABLE, |samples| {
            for row in &overview.databases {
                if let Some(reachable) = row.reachable {
                    samples.add(&[&row.name], reachable)?;
                }
            }
            Ok(())
        })
    }

    fn traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        page.histogram(WAIT, overview, &[], |totals| totals.wait)?;
        page.describe(OLDEST, |samples| {
            for row in &overview.databases {
                let waits = overview.pools_of(&row.name).map(|pool| pool.longest_wait);
                samples.add(&[&row.name], waits.max().unwrap_or_default())?;
            }
            Ok(())
        })?;
        page.totals(TIMEOUTS, overview, |totals| totals.timeouts)?;
        page.histogram(QUERY, overview, &[], |totals| totals.query)?;
        page.histogram(TRANSACTION, overview, &[], |totals| totals.transaction)?;
        page.totals(QUERIES, overview, |totals| totals.queries)?;
        page.totals(TRANSACTIONS, overview, |totals| totals.transactions)?;
        let directions = ["received", "sent"];
        page.split(CLIENT_BYTES, overview, directions, |totals| {
            [totals.client_received, totals.client_sent]
        })?;
        page.split(SERVER_BYTES, overview, directions, |totals| {
            [totals.server_received, totals.server_sent]
        })?;
        page.split(CONNECTS, overview, ["success", "failure"], |totals| {
            [totals.opened, totals.failed]
        })?;
        page.histogram(CONNECT, overview, &["all"], |totals| totals.connect)
    }

    fn statements(&self, page: &mut Page<'_>) -> fmt::Result {
        let overview = &self.overview;
        page.split(DISCARDS_BY, overview, DISCARDS, |totals| totals.discards)?;
        let reasons = PinReason::ALL.map(PinReason::label);
        page.split(PINS_BY, overview, reasons, |totals| totals.pins)?;
        page.describe(STATEMENTS, |samples| {
            for row in &overview.databases {
                let presence = self.presence.get(&row.name).copied().unwrap_or_default();
                samples.add(&[&row.name, "pool"], presence.statements)?;
                samples.add(&[&row.name, "server"], presence.prepared)?;
            }
            Ok(())
        })?;
        page.totals(EVICTIONS, overview, |totals| totals.evictions)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(process) = self.process else {
            return Ok(());
        };
        page.one(CPU, process.cpu)?;
        page.one(RESIDENT, process.resident)?;
        page.one(VIRTUAL, process.virtual_size)?;
        page.one(FDS, process.open_files)?;
        if let Some(limit) = process.max_files {
            page.one(FDS_MAX, limit)?;
        }
        page.one(STARTED, process.started)?;
        page.one(THREADS, process.threads)
    }
}
