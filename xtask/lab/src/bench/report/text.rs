//! A row as text for a terminal.

use std::fmt::Write as _;

use super::judge::judge;
use super::{Measured, figure};
use crate::gates::Subject;

/// A line for each subject, and one for each bar.
pub(super) fn row(measured: &Measured) -> String {
    let mut out = format!("{}\n", measured.row.title);
    for (subject, sample) in &measured.medians {
        let _ = match sample.kib {
            Some(kib) => writeln!(
                out,
                "  {:<10}{:>10} KiB per client",
                subject.name(),
                figure(Some(kib))
            ),
            None => writeln!(
                out,
                "  {:<10}{:>10} tps {:>6} {:>9} µs p50 {:>9} µs p99 {:>8} ms CPU per 1,000",
                subject.name(),
                figure(sample.tps),
                of_direct(measured, *subject),
                figure(sample.p50_us),
                figure(sample.p99_us),
                figure(sample.cpu_ms),
            ),
        };
    }
    for verdict in judge(measured) {
        let _ = writeln!(out, "    {}", verdict.describe());
    }
    out.push('\n');
    out
}

/// Transactions a second in per cent of a direct connection's; nothing for that one itself.
pub(super) fn of_direct(measured: &Measured, subject: Subject) -> String {
    let tps = |subject| measured.medians.get(&subject)?.tps;
    match (tps(Subject::Direct), tps(subject)) {
        (Some(direct), Some(tps)) if subject != Subject::Direct && direct > 0.0 => {
            format!("{:.0} %", tps / direct * 100.0)
        }
        _ => String::new(),
    }
}
