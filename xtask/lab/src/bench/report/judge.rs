//! Compares figures with the bars.

use super::{Measured, Medians};
use crate::bench::rounds::Sample;
use crate::bench::rows::Bar;
use crate::gates::Subject;

/// A bar, and where pgmoor stands.
pub(super) struct Verdict {
    pub(super) bar: Bar,
    pub(super) value: f64,
    pub(super) is_met: bool,
}

/// All bars of a row that there are figures for.
pub(super) fn judge(measured: &Measured) -> Vec<Verdict> {
    let verdict = |bar: &Bar| {
        let (value, is_met) = stand(*bar, &measured.medians)?;
        Some(Verdict {
            bar: *bar,
            value,
            is_met,
        })
    };
    measured.row.bars.iter().filter_map(verdict).collect()
}

/// One figure of pgmoor as part of the same of another subject.
pub(super) fn ratio(
    medians: &Medians,
    to: Subject,
    figure: fn(&Sample) -> Option<f64>,
) -> Option<f64> {
    let ours = figure(medians.get(&Subject::Pgmoor)?)?;
    let theirs = figure(medians.get(&to)?)?;
    (theirs > 0.0).then(|| ours / theirs)
}

fn stand(bar: Bar, medians: &Medians) -> Option<(f64, bool)> {
    match bar {
        Bar::Cpu(most) => {
            let value = ratio(medians, Subject::Pgbouncer, |sample| sample.cpu_ms)?;
            Some((value, value <= most))
        }
        Bar::Memory(most) => {
            let value = ratio(medians, Subject::Pgbouncer, |sample| sample.kib)?;
            Some((value, value <= most))
        }
        Bar::P99 => {
            let value = ratio(medians, Subject::Pgbouncer, |sample| sample.p99_us)?;
            Some((value, value <= 1.0))
        }
        Bar::OfDirect(least) => {
            let value = ratio(medians, Subject::Direct, |sample| sample.tps)?;
            Some((value, value >= least))
        }
        Bar::P50AboveDirect(most) => {
            let p50 = |subject| medians.get(&subject)?.p50_us;
            let value = p50(Subject::Pgmoor)? - p50(Subject::Direct)?;
            Some((value, value <= most))
        }
    }
}

impl Verdict {
    /// What is compared, where we stand, and where we shall.
    pub(super) fn describe(&self) -> String {
        let value = self.value;
        let figure = match self.bar {
            Bar::Cpu(most) => format!("CPU {value:.2} of PgBouncer's (bar ≤ {most:.2})"),
            Bar::Memory(most) => format!("memory {value:.2} of PgBouncer's (bar ≤ {most:.2})"),
            Bar::P99 => format!("p99 {value:.2} of PgBouncer's (bar ≤ 1.00)"),
            Bar::OfDirect(least) => {
                let (value, least) = (value * 100.0, least * 100.0);
                format!("{value:.0} % of direct's transactions a second (bar ≥ {least:.0} %)")
            }
            Bar::P50AboveDirect(most) => {
                format!("p50 {value:.0} µs above direct's (bar ≤ {most:.0} µs)")
            }
        };
        format!("{figure}: {}", if self.is_met { "met" } else { "missed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medians() -> Medians {
        let sample = |tps, p50, p99, cpu| Sample {
            tps: Some(tps),
            p50_us: Some(p50),
            p99_us: Some(p99),
            cpu_ms: cpu,
            kib: None,
        };
        Medians::from([
            (Subject::Direct, sample(1000.0, 60.0, 100.0, None)),
            (Subject::Pgbouncer, sample(700.0, 80.0, 200.0, Some(20.0))),
            (Subject::Pgmoor, sample(900.0, 75.0, 220.0, Some(15.0))),
        ])
    }

    #[test]
    fn a_bar_is_met_or_missed_by_its_own_figure() {
        let is_met = |bar| stand(bar, &medians()).map(|(_, is_met)| is_met);

        assert_eq!(is_met(Bar::Cpu(0.75)), Some(true));
        assert_eq!(is_met(Bar::Cpu(0.7)), Some(false));
        assert_eq!(is_met(Bar::OfDirect(0.88)), Some(true));
        assert_eq!(is_met(Bar::P50AboveDirect(20.0)), Some(true));
        assert_eq!(is_met(Bar::P99), Some(false));
    }

    #[test]
    fn a_bar_without_figures_is_neither_met_nor_missed() {
        assert!(stand(Bar::Memory(1.0), &medians()).is_none());
    }
}
