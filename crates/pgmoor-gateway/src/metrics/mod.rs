//! The metrics.
//!
//! Labels have closed sets of values: names out of the configuration, and words out of this crate.
//! What a client can choose (a user, a statement, an SQLSTATE) is no label.

mod declared;
mod page;
mod readings;

use std::fmt::Write;

use crate::counters::{DISCARDS, Stage};
use crate::sql::PinReason;
use declared::{ALL, Kind};
pub(crate) use page::{Format, render};
use pgmoor::credential::FailureCause;
pub(crate) use readings::Readings;

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
         - `cause` of `pgmoor_credential_failures_total`: {}\n\
         - `code`: the first two letters of an SQLSTATE that PostgreSQL's appendix A lists, or `other`\n",
        list(&DISCARDS),
        list(&PinReason::ALL.map(PinReason::label)),
        list(&Stage::ALL.map(Stage::as_str)),
        list(&FailureCause::ALL.map(FailureCause::as_str)),
    );
    page
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::counters::CLASSES;
    use crate::process::Process;
    use crate::snapshot::Presence;

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
            accept_delays: 2,
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
