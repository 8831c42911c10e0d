//! The table of `docs/benchmarks.md`.

use std::fmt::Write as _;

use super::judge::{judge, ratio};
use super::text::of_direct;
use super::{Measured, Report, figure};
use crate::bench::rows::Bar;
use crate::gates::Subject;

const BEGIN: &str = "<!-- cargo x bench gateway: begin -->";
const END: &str = "<!-- cargo x bench gateway: end -->";

/// The page with another table between its markers; none when they are not there.
pub(super) fn replace(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

/// All rows, and what they were measured with.
pub(super) fn table(report: &Report) -> String {
    let mut out = format!(
        "{}.\n\n`{}`, medians of {} rounds of {} s.\n\n",
        report.machine, report.machine.command, report.rounds, report.seconds
    );
    let (idle, active): (Vec<&Measured>, Vec<&Measured>) = report
        .measured
        .iter()
        .partition(|measured| measured.row.is_idle());
    if !active.is_empty() {
        out.push_str(
            "| work | direct: tps, p50 / p99 µs | PgBouncer: tps, p50 / p99 µs | pgmoor: tps, p50 / p99 µs \
             | CPU ms per 1,000: PgBouncer | pgmoor | ratio | bars missed |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        out.extend(active.into_iter().map(active_row));
        out.push('\n');
    }
    if !idle.is_empty() {
        out.push_str(
            "| clients that wait | KiB each: PgBouncer | pgmoor | ratio | bar |\n|---|---|---|---|---|\n",
        );
        out.extend(idle.into_iter().map(idle_row));
    }
    if !report.failed.is_empty() {
        let _ = writeln!(out, "\nNot measured: {}.", report.failed.join(", "));
    }
    out
}

fn active_row(measured: &Measured) -> String {
    let cpu = |subject| {
        figure(
            measured
                .medians
                .get(&subject)
                .and_then(|sample| sample.cpu_ms),
        )
    };
    let missed: Vec<String> = judge(measured)
        .iter()
        .filter(|verdict| !verdict.is_met)
        .map(|verdict| short(verdict.bar).to_owned())
        .collect();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
        measured.row.title,
        speed(measured, Subject::Direct),
        speed(measured, Subject::Pgbouncer),
        speed(measured, Subject::Pgmoor),
        cpu(Subject::Pgbouncer),
        cpu(Subject::Pgmoor),
        figure(ratio(&measured.medians, Subject::Pgbouncer, |sample| {
            sample.cpu_ms
        })),
        missed.join(", "),
    )
}

fn idle_row(measured: &Measured) -> String {
    let kib = |subject| figure(measured.medians.get(&subject).and_then(|sample| sample.kib));
    let bars: Vec<String> = judge(measured)
        .iter()
        .map(super::judge::Verdict::describe)
        .collect();
    format!(
        "| {} | {} | {} | {} | {} |\n",
        measured.row.title,
        kib(Subject::Pgbouncer),
        kib(Subject::Pgmoor),
        figure(ratio(&measured.medians, Subject::Pgbouncer, |sample| {
            sample.kib
        })),
        bars.join(", "),
    )
}

/// As `41,234 (88 %), 310 / 900`.
fn speed(measured: &Measured, subject: Subject) -> String {
    let Some(sample) = measured.medians.get(&subject) else {
        return "–".into();
    };
    let of_direct = match of_direct(measured, subject) {
        none if none.is_empty() => none,
        percent => format!(" ({percent})"),
    };
    let (tps, p50, p99) = (
        figure(sample.tps),
        figure(sample.p50_us),
        figure(sample.p99_us),
    );
    format!("{tps}{of_direct}, {p50} / {p99}")
}

fn short(bar: Bar) -> &'static str {
    match bar {
        Bar::Cpu(_) => "CPU",
        Bar::Memory(_) => "memory",
        Bar::OfDirect(_) => "tps",
        Bar::P50AboveDirect(_) => "p50",
        Bar::P99 => "p99",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nprose\n");

        let replaced = replace(&page, "new\n").expect("it has the markers");

        assert_eq!(
            replaced,
            format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nprose\n")
        );
        assert!(replace("# Title\n", "new").is_none());
    }
}
