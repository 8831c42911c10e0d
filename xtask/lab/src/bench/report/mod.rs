//! The figures of a run, as medians and against the bars; as text, Markdown and JSON.

mod judge;

mod text;
mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use xtask::failure::{Context, Failure};

use super::machine::Machine;
use super::rounds::{Outcome, Sample, Samples};
use super::rows::Row;
use crate::figures::median;
use crate::gates::Subject;

/// What the rows gave so far.
pub(crate) struct Report {
    machine: Machine,
    rounds: u32,
    seconds: u32,
    measured: Vec<Measured>,
    failed: Vec<String>,
}

/// A row with its figures.
struct Measured {
    row: &'static Row,
    samples: Samples,
    medians: Medians,
}

/// The medians of all samples of a subject.
type Medians = BTreeMap<Subject, Sample>;

impl Report {
    pub(crate) fn new(machine: Machine, rounds: u32, seconds: u32) -> Report {
        Report {
            machine,
            rounds,
            seconds,
            measured: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: &'static Row, outcome: Outcome) {
        let Outcome { samples, failed } = outcome;
        let name = |subject: Subject| format!("{} with {}", row.name, subject.name());
        self.failed.extend(failed.into_iter().map(name));
        let medians = samples
            .iter()
            .map(|(subject, samples)| (*subject, medians(samples)))
            .collect();
        self.measured.push(Measured {
            row,
            samples,
            medians,
        });
    }

    /// A table for people.
    pub(crate) fn text(&self) -> String {
        self.measured.iter().map(text::row).collect()
    }

    /// Writes every sample of every round.
    pub(crate) fn write_json(&self, path: &Path) -> Result<(), Failure> {
        let rows: Vec<JsonRow<'_>> = self.measured.iter().map(JsonRow::of).collect();
        let report = serde_json::json!({
            "version": 1,
            "machine": self.machine,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "rows": rows,
            "failed": self.failed,
        });
        fs::write(path, format!("{report:#}\n"))
            .context(|| format!("cannot write \"{}\"", path.display()))
    }

    /// Replaces the table between the markers of a page.
    pub(crate) fn write_markdown(&self, path: &Path) -> Result<(), Failure> {
        let what = || format!("cannot write the table into \"{}\"", path.display());
        let page = fs::read_to_string(path).context(what)?;
        let page = markdown::replace(&page, &markdown::table(self))
            .ok_or_else(|| Failure::new(what()).because("it does not have the two markers"))?;
        fs::write(path, page).context(what)
    }

    /// A failure when something could not be measured.
    pub(crate) fn conclude(&self) -> Result<(), Failure> {
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new("some figures could not be measured").because(self.failed.join(", ")))
    }
}

#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    title: &'a str,
    clients: u32,
    medians: &'a Medians,
    samples: &'a Samples,
}

impl<'a> JsonRow<'a> {
    fn of(measured: &'a Measured) -> JsonRow<'a> {
        JsonRow {
            name: measured.row.name,
            title: measured.row.title,
            clients: measured.row.clients,
            medians: &measured.medians,
            samples: &measured.samples,
        }
    }
}

fn medians(samples: &[Sample]) -> Sample {
    let of = |figure: fn(&Sample) -> Option<f64>| {
        let values: Vec<f64> = samples.iter().filter_map(figure).collect();
        median(&values)
    };
    Sample {
        tps: of(|sample| sample.tps),
        p50_us: of(|sample| sample.p50_us),
        p99_us: of(|sample| sample.p99_us),
        cpu_ms: of(|sample| sample.cpu_ms),
        kib: of(|sample| sample.kib),
    }
}

/// A number of any size with three digits that matter, and commas.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A figure, or the sign for none.
fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits_that_matter() {
        for (value, text) in [
            (0.0, "0.00"),
            (9.994, "9.99"),
            (12.34, "12.3"),
            (123.4, "123"),
            (41_234.5, "41,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
