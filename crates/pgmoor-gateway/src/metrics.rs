//! The metrics: every name, unit, help text and label stands here and nowhere else.
//!
//! Labels have closed sets of values: names out of the configuration, and words out of this crate.
//! What a client can choose (a user, a statement, an SQLSTATE) is no label.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::counters::{BOUNDS, CLASSES, DISCARDS, Stage};
use crate::process::Process;
use crate::snapshot::{Overview, PoolRow, Presence};
use crate::sql::PinReason;
use crate::totals::{Buckets, Totals};

/// The kinds of metrics that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// One metric's declaration.
#[derive(Debug, Clone, Copy)]
struct Metric {
    /// Without the unit and the suffix that its kind has.
    name: &'static str,
    kind: Kind,
    unit: Option<&'static str>,
    labels: &'static [&'static str],
    help: &'static str,
}

impl Metric {
    /// The name as Prometheus has it.
    fn full_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal $unit:expr, [$($label:literal),*], $help:literal;)*) => {
        $(const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        };)*
        /// In the order of the page.
        const ALL: &[Metric] = &[$($constant),*];
    };
}

const SECONDS: Option<&str> = Some("seconds");
const BYTES: Option<&str> = Some("bytes");

metrics! {
    BUILD Info "pgmoor_build" None, ["version"], "The version that runs.";
    UP Gauge "pgmoor_up" None, [], "Whether pgmoor lets clients in: 0 while it stops.";
    WORKERS Gauge "pgmoor_workers" None, ["state"], "Workers that answer (answering) and that did not within a second (silent).";
    RELOADS Counter "pgmoor_config_reloads" None, ["result"], "Reloads of the configuration: success, failure.";
    RELOADED Gauge "pgmoor_config_last_reload_timestamp" SECONDS, [], "When the configuration was last reloaded; absent before the first reload.";
    CLIENTS Gauge "pgmoor_client_connections" None, ["pool", "state"], "Logged-in clients: active, waiting (for a server connection), idle, idle_in_transaction.";
    CLIENTS_MAX Gauge "pgmoor_client_connections_max" None, [], "How many clients may be connected at once.";
    CLIENTS_OPEN Gauge "pgmoor_client_connections_open" None, [], "Accepted connections, logged in or not, of the admin database too.";
    LOGINS Counter "pgmoor_client_logins" None, [], "Clients that have logged in.";
    SERVERS Gauge "pgmoor_server_connections" None, ["pool", "state"], "Server connections: active, idle, login (being opened), reset (being reset).";
    SERVERS_MAX Gauge "pgmoor_server_connections_max" None, ["pool"], "How many server connections the pools of a database may have.";
    BUDGET Gauge "pgmoor_connection_budget" None, ["endpoint", "kind"], "Connections of an endpoint: allotted to this gateway, and used by it.";
    WAIT Histogram "pgmoor_client_wait" SECONDS, ["pool"], "How long clients waited for a server connection.";
    OLDEST Gauge "pgmoor_client_wait_oldest" SECONDS, ["pool"], "For how long the client that waits longest has waited.";
    TIMEOUTS Counter "pgmoor_client_wait_timeouts" None, ["pool"], "Clients that waited in vain.";
    QUERY Histogram "pgmoor_query_duration" SECONDS, ["pool"], "From a query's arrival to its whole answer, waiting included.";
    TRANSACTION Histogram "pgmoor_transaction_duration" SECONDS, ["pool"], "How long clients had a server connection; in session mode that is the whole session.";
    QUERIES Counter "pgmoor_queries" None, ["pool"], "Queries that were answered.";
    TRANSACTIONS Counter "pgmoor_transactions" None, ["pool"], "Transactions that were ended.";
    CLIENT_BYTES Counter "pgmoor_client" BYTES, ["pool", "direction"], "Bytes received from clients, and sent to them.";
    SERVER_BYTES Counter "pgmoor_server" BYTES, ["pool", "direction"], "Bytes received from servers, and sent to them.";
    ERRORS Counter "pgmoor_errors" None, ["stage", "code"], "Errors by where they came up (tls, auth, checkout, server, client, protocol) and by SQLSTATE class.";
    CONNECTS Counter "pgmoor_server_connects" None, ["pool", "result"], "Attempts to open a server connection: success, failure.";
    CONNECT Histogram "pgmoor_server_connect_duration" SECONDS, ["pool", "stage"], "How long it took to open a server connection; all is from name lookup to login.";
    DISCARDS_BY Counter "pgmoor_server_discards" None, ["pool", "reason"], "Server connections that were closed, by why.";
    PINS_BY Counter "pgmoor_session_pins" None, ["pool", "reason"], "Sessions that keep their server connection in transaction mode, by what they did.";
    STATEMENTS Gauge "pgmoor_prepared_statements" None, ["pool", "scope"], "Prepared statements: different texts that clients hold (pool), and on server connections (server).";
    EVICTIONS Counter "pgmoor_prepared_statements_evictions" None, ["pool"], "Statements closed on a server connection to make room.";
    PAUSED Gauge "pgmoor_database_paused" None, ["database"], "Whether the database is paused: its clients wait.";
    REACHABLE Gauge "pgmoor_database_reachable" None, ["database"], "Whether the last attempt to connect to its server succeeded; absent before the first.";
    EXPIRY Gauge "pgmoor_tls_certificate_expiry_timestamp" SECONDS, ["side"], "When a certificate expires; listen is the one that clients are shown.";
    CPU Counter "process_cpu" SECONDS, [], "Processor time, user and system.";
    RESIDENT Gauge "process_resident_memory" BYTES, [], "Resident memory.";
    VIRTUAL Gauge "process_virtual_memory" BYTES, [], "Virtual memory.";
    FDS Gauge "process_open_fds" None, [], "Open files.";
    FDS_MAX Gauge "process_max_fds" None, [], "How many files may be open.";
    STARTED Gauge "process_start_time" SECONDS, [], "When the process began.";
    THREADS Gauge "process_threads" None, [], "Threads of the process.";
}

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
    pub(crate) errors: [[u64; CLASSES.len()]; Stage::ALL.len()],
    pub(crate) certificate_expires: Option<SystemTime>,
    pub(crate) process: Option<Process>,
}

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    /// Prometheus' own text format, version 0.0.4.
    Prometheus,
}

impl Format {
    /// What an `Accept` header asks for.
    pub(crate) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The page.
pub(crate) fn render(readings: Readings, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(readings));
    let mut page = String::new();
    // A String takes everything.
    let _ = text::encode(&mut page, &registry);
    match format {
        Format::OpenMetrics => page,
        Format::Prometheus => to_prometheus(&page),
    }
}

/// In Prometheus' own format a counter is described by its full name, and there are no units.
fn to_prometheus(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut help = "";
    for line in page.lines() {
        if line.starts_with("# HELP ") {
            help = line;
            continue;
        }
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            let text = help
                .strip_prefix("# HELP ")
                .and_then(|help| help.strip_prefix(name))
                .unwrap_or_default();
            let _ = writeln!(out, "# HELP {name}{suffix}{text}");
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A metric's samples are written one after the other, each with its labels' values.
struct Page<'e>(DescriptorEncoder<'e>);

type Labels = Vec<(&'static str, String)>;

impl Page<'_> {
    fn describe(
        &mut self,
        metric: Metric,
        write: impl FnOnce(&mut Samples<'_, '_>) -> fmt::Result,
    ) -> fmt::Result {
        let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut encoder =
            self.0
                .encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
        write(&mut Samples {
            metric,
            encoder: &mut encoder,
        })
    }

    /// One value without labels.
    fn one(&mut self, metric: Metric, value: impl Into<Number>) -> fmt::Result {
        let value = value.into();
        self.describe(metric, |samples| samples.add(&[], value))
    }

    /// One value for each database that was ever used.
    fn totals(
        &mut self,
        metric: Metric,
        overview: &Overview,
        value: impl Fn(&Totals) -> u64,
    ) -> fmt::Result {
        self.describe(metric, |samples| {
            for (name, totals) in &overview.totals {
                samples.add(&[name], value(totals))?;
            }
            Ok(())
        })
    }

    /// One value for each database and each of `names`.
    fn split<const N: usize>(
        &mut self,
        metric: Metric,
        overview: &Overview,
        names: [&str; N],
        values: impl Fn(&Totals) -> [u64; N],
    ) -> fmt::Result {
        self.describe(metric, |samples| {
            for (database, totals) in &overview.totals {
                for (name, value) in names.iter().zip(values(totals)) {
                    samples.add(&[database, name], value)?;
                }
            }
            Ok(())
        })
    }

    fn histogram(
        &mut self,
        metric: Metric,
        overview: &Overview,
        rest: &[&str],
        buckets: impl Fn(&Totals) -> Buckets,
    ) -> fmt::Result {
        self.describe(metric, |samples| {
            for (name, totals) in &overview.totals {
                let labels: Vec<&str> = std::iter::once(&**name)
                    .chain(rest.iter().copied())
                    .collect();
                samples.buckets(&labels, &buckets(totals))?;
            }
            Ok(())
        })
    }
}

/// A sample's value.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Duration> for Number {
    fn from(value: Duration) -> Self {
        Self::Real(value.as_secs_f64())
    }
}

impl From<SystemTime> for Number {
    fn from(value: SystemTime) -> Self {
        let since = value.duration_since(SystemTime::UNIX_EPOCH);
        Self::Whole(since.map_or(0, |since| since.as_secs()))
    }
}

struct Samples<'s, 'e> {
    metric: Metric,
    encoder: &'s mut MetricEncoder<'e>,
}

impl Samples<'_, '_> {
    fn labels(&self, values: &[&str]) -> Labels {
        debug_assert_eq!(
            values.len(),
            self.metric.labels.len(),
            "a value for each label"
        );
        let names = self.metric.labels.iter().copied();
        names
            .zip(values.iter().map(|value| (*value).to_owned()))
            .collect()
    }

    fn add(&mut self, labels: &[&str], value: impl Into<Number>) -> fmt::Result {
        let value = value.into();
        if self.metric.kind == Kind::Info {
            return self.encoder.encode_info(&self.labels(labels));
        }
        if labels.is_empty() {
            return write_value(self.encoder, self.metric.kind, value);
        }
        let labels = self.labels(labels);
        write_value(
            &mut self.encoder.encode_family(&labels)?,
            self.metric.kind,
            value,
        )
    }

    fn buckets(&mut self, labels: &[&str], buckets: &Buckets) -> fmt::Result {
        let labels = self.labels(labels);
        let bounds = BOUNDS.iter().map(|&bound| bound as f64 / 1e6);
        let counts: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(buckets.counts).collect();
        self.encoder
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(
                buckets.micros as f64 / 1e6,
                buckets.count(),
                &counts,
                None,
            )
    }
}

fn write_value(encoder: &mut MetricEncoder<'_>, kind: Kind, value: Number) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Number::Whole(value)) => {
            encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
        }
        (Kind::Counter, Number::Real(value)) => {
            encoder.encode_counter::<NoLabelSet, f64, u64>(&value, None)
        }
        (_, Number::Whole(value)) => {
            encoder.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
        }
        (_, Number::Real(value)) => encoder.encode_gauge(&value),
    }
}

impl Collector for Readings {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.gateway(&mut page)?;
        self.connections(&mut page)?;
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
        page.describe(SERVERS, |samples| {
            for row in &overview.databases {
                let name = &*row.name;
                samples.add(&[name, "active"], sum(name, |pool| pool.active_servers))?;
                samples.add(&[name, "idle"], sum(name, |pool| pool.idle_servers))?;
                samples.add(&[name, "login"], sum(name, |pool| pool.opening_servers))?;
                samples.add(&[name, "reset"], sum(name, |pool| pool.resetting_servers))?;
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
        })?;
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

/// The reference page of all metrics, in Markdown.
pub fn metrics_reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made by `pgmoor docs`; do not edit. -->\n\n\
         `GET /metrics` at the admin address gives them, in the OpenMetrics format to who asks for it and\n\
         in Prometheus' text format to everybody else. Times are in seconds. The label `pool` is the name\n\
         that clients ask for, under `databases` in the configuration.\n\n\
         | name | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            metric.full_name(),
            labels.join(", "),
            metric.help
        );
    }
    let list = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        values.join(", ")
    };
    let _ = write!(
        page,
        "\n## Values of labels\n\n\
         - `reason` of `pgmoor_server_discards_total`: {}\n\
         - `reason` of `pgmoor_session_pins_total`: {}\n\
         - `stage` of `pgmoor_errors_total`: {}\n\
         - `code`: the first two letters of an SQLSTATE that PostgreSQL's appendix A lists, or `other`\n",
        list(&DISCARDS),
        list(&PinReason::ALL.map(PinReason::label)),
        list(&Stage::ALL.map(Stage::as_str)),
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings() -> Readings {
        let (overview, _) = crate::console::tests::busy();
        let mut errors = [[0; CLASSES.len()]; Stage::ALL.len()];
        errors[Stage::Auth as usize][20] = 3;
        Readings {
            overview,
            presence: HashMap::from([(
                "app".into(),
                Presence {
                    idle_in_transaction: 1,
                    statements: 4,
                    prepared: 9,
                },
            )]),
            silent: 0,
            reloads: [2, 1],
            reloaded: 1_700_000_000,
            logins: 17,
            errors,
            certificate_expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            process: Some(Process {
                resident: 20 << 20,
                virtual_size: 200 << 20,
                cpu: Duration::from_millis(1_500),
                open_files: 20,
                max_files: Some(1024),
                started: 1_699_999_900.25,
                threads: 4,
            }),
        }
    }

    #[test]
    fn every_metric_is_written_in_both_formats() {
        insta::assert_snapshot!("openmetrics", render(readings(), Format::OpenMetrics));
        insta::assert_snapshot!("prometheus", render(readings(), Format::Prometheus));
    }

    #[test]
    fn the_page_describes_every_metric_that_is_declared() {
        let page = render(readings(), Format::Prometheus);

        for metric in ALL {
            let line = format!("# HELP {} {}\n", metric.full_name(), metric.help);
            assert!(page.contains(&line), "{}", metric.name);
        }
    }

    #[test]
    fn scrapers_get_the_format_that_they_accept() {
        assert_eq!(Format::accepted("text/plain"), Format::Prometheus);
        assert_eq!(
            Format::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
            Format::OpenMetrics
        );
    }
}
