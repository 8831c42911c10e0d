//! How metrics are written: in the OpenMetrics format or in Prometheus' own.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::declared::{Kind, Metric};
use crate::counters::BOUNDS;
use crate::snapshot::Overview;
use crate::totals::{Buckets, Totals};

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
pub(crate) fn render(readings: impl Collector, format: Format) -> String {
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
pub(super) fn to_prometheus(page: &str) -> String {
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
pub(super) struct Page<'e>(pub(super) DescriptorEncoder<'e>);

pub(super) type Labels = Vec<(&'static str, String)>;

impl Page<'_> {
    pub(super) fn describe(
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
    pub(super) fn one(&mut self, metric: Metric, value: impl Into<Number>) -> fmt::Result {
        let value = value.into();
        self.describe(metric, |samples| samples.add(&[], value))
    }

    /// One value for each database that was ever used.
    pub(super) fn totals(
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
    pub(super) fn split<const N: usize>(
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

    pub(super) fn histogram(
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
pub(super) enum Number {
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

pub(super) struct Samples<'s, 'e> {
    metric: Metric,
    encoder: &'s mut MetricEncoder<'e>,
}

impl Samples<'_, '_> {
    pub(super) fn labels(&self, values: &[&str]) -> Labels {
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

    pub(super) fn add(&mut self, labels: &[&str], value: impl Into<Number>) -> fmt::Result {
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

    pub(super) fn buckets(&mut self, labels: &[&str], buckets: &Buckets) -> fmt::Result {
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

pub(super) fn write_value(
    encoder: &mut MetricEncoder<'_>,
    kind: Kind,
    value: Number,
) -> fmt::Result {
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
