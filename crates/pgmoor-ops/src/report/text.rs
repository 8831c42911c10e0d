//! A report for a terminal: what to do something about first, then every layer, then one line of counts.
//! It reads without colour, because each status is a word.

use std::fmt::Write;

use super::data::{Counts, DatabaseReport, Finding, Report, Status};
use crate::check::{Bar, Layer};

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";

/// Writes a report. Colours are written always; whoever prints it strips them where they are not wanted.
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    for database in &report.databases {
        write_database(&mut out, database);
        out.push('\n');
    }
    let databases = match report.databases.len() {
        1 => "1 database".to_owned(),
        count => format!("{count} databases"),
    };
    let _ = writeln!(
        out,
        "{} {databases}: {} in {}",
        word(report.status),
        counts(report.counts),
        crate::check::words::duration(std::time::Duration::from_millis(report.duration_ms)),
    );
    out
}

fn write_database(out: &mut String, database: &DatabaseReport) {
    let _ = writeln!(
        out,
        "{BOLD}{}{RESET}{}",
        database.name,
        whereabouts(database)
    );
    if let Some(server) = &database.server {
        let version = server.version.as_deref().unwrap_or("of unknown version");
        let tls = server.tls.as_deref().unwrap_or("no TLS");
        let _ = writeln!(
            out,
            "  PostgreSQL {version} at {}, as \"{}\" on \"{}\", {tls}",
            server.server, server.user, server.database
        );
    }
    for finding in database.findings() {
        out.push('\n');
        write_finding(out, finding);
    }
    for layer in Layer::ALL {
        let checks: Vec<&Finding> = database
            .checks
            .iter()
            .filter(|check| check.layer == layer)
            .collect();
        if !checks.is_empty() {
            let _ = writeln!(out, "\n  {BOLD}{layer}{RESET}");
            write_layer(out, &checks);
        }
    }
}

fn whereabouts(database: &DatabaseReport) -> String {
    let address = database
        .address
        .as_ref()
        .map(|address| format!(": {address}"));
    let endpoint = database
        .endpoint
        .as_ref()
        .filter(|endpoint| **endpoint != database.name)
        .map(|endpoint| format!(" (endpoint {endpoint})"));
    format!(
        "{}{}",
        endpoint.unwrap_or_default(),
        address.unwrap_or_default()
    )
}

/// A finding in full.
fn write_finding(out: &mut String, finding: &Finding) {
    let _ = writeln!(
        out,
        "  {} {}  {BOLD}{}{RESET}",
        word(finding.status),
        finding.id,
        finding.seen
    );
    let picture = finding.bar.as_ref().map(bar);
    let labelled = [
        ("", picture.as_deref()),
        ("want", Some(finding.title)),
        ("why", finding.why),
        ("do", finding.hint.as_deref()),
    ];
    for (label, text) in labelled {
        let Some(text) = text else { continue };
        for (index, line) in text.lines().enumerate() {
            let label = if index == 0 { label } else { "" };
            let _ = writeln!(out, "       {label:<5} {line}");
        }
    }
}

/// A layer's checks, one line each; those that were skipped for one reason share a line.
fn write_layer(out: &mut String, checks: &[&Finding]) {
    let mut skipped: Vec<(&str, Vec<&str>)> = Vec::new();
    for check in checks {
        if check.status == Status::Skip {
            match skipped.iter_mut().find(|(reason, _)| *reason == check.seen) {
                Some((_, ids)) => ids.push(check.id),
                None => skipped.push((&check.seen, vec![check.id])),
            }
            continue;
        }
        let seen = check.seen.lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "    {} {}  {}: {seen}",
            word(check.status),
            check.id,
            check.title
        );
        if let Some(shares) = &check.bar {
            let _ = writeln!(out, "                      {}", bar(shares));
        }
    }
    for (reason, ids) in skipped {
        let _ = writeln!(
            out,
            "    {} {}  {reason}",
            word(Status::Skip),
            together(&ids)
        );
    }
}

/// `[######----==            ]  # application 30, - others 10, = reserved 3, free 57 of 100`.
fn bar(shares: &Bar) -> String {
    const WIDTH: u64 = 40;
    const MARKS: [char; 4] = ['#', '-', '=', '+'];
    let whole = shares
        .parts
        .iter()
        .map(|part| part.value)
        .sum::<u64>()
        .max(shares.total)
        .max(1);
    let mut picture = String::new();
    let mut legend = String::new();
    let mut taken = 0;
    for (part, mark) in shares.parts.iter().zip(MARKS) {
        taken += part.value;
        // By the sum, so that what is rounded does not add up; who has any has at least one mark.
        let until = (taken * WIDTH).div_ceil(whole).min(WIDTH);
        while picture.chars().count() < usize::try_from(until).unwrap_or_default() {
            picture.push(mark);
        }
        if part.value > 0 {
            let _ = write!(legend, "{mark} {} {}, ", part.name, part.value);
        }
    }
    let free = match shares.free() {
        0 => "none".to_owned(),
        free => free.to_string(),
    };
    let width = usize::try_from(WIDTH).unwrap_or_default();
    format!(
        "[{picture:<width$}]  {legend}free {free} of {}",
        shares.total
    )
}

/// `PGM-SRV-001 to 007, 012`.
fn together(ids: &[&str]) -> String {
    let number = |id: &str| {
        id.rsplit('-')
            .next()
            .and_then(|number| number.parse::<u16>().ok())
    };
    let mut text = String::new();
    let mut index = 0;
    while let Some(first) = ids.get(index) {
        let follows = |pair: &&[&str]| number(pair[1]) == number(pair[0]).map(|number| number + 1);
        let run = ids[index..].windows(2).take_while(follows).count();
        let tail = |id: &str| id.rsplit('-').next().unwrap_or(id).to_owned();
        match text.is_empty() {
            true => text.push_str(first),
            false => {
                let _ = write!(text, ", {}", tail(first));
            }
        }
        // Two in a row are no range.
        if run > 1 {
            let _ = write!(text, " to {}", tail(ids[index + run]));
            index += run;
        }
        index += 1;
    }
    text
}

/// The status as a word of four letters, coloured.
pub(super) fn word(status: Status) -> String {
    let colour = match status {
        Status::Skip => "\x1b[2m",
        Status::Ok => "\x1b[32m",
        Status::Warn => "\x1b[33;1m",
        Status::Fail => "\x1b[31;1m",
    };
    format!("{colour}{:<4}{RESET}", status.word())
}

pub(super) fn counts(counts: Counts) -> String {
    let Counts {
        ok,
        warn,
        fail,
        skip,
    } = counts;
    format!("{ok} ok, {warn} warn, {fail} FAIL, {skip} skip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_row_are_a_range() {
        let ids = |numbers: &[u16]| -> String {
            let ids: Vec<String> = numbers
                .iter()
                .map(|number| format!("PGM-SRV-{number:03}"))
                .collect();
            together(&ids.iter().map(String::as_str).collect::<Vec<_>>())
        };

        assert_eq!(ids(&[1]), "PGM-SRV-001");
        assert_eq!(ids(&[1, 2]), "PGM-SRV-001, 002");
        assert_eq!(
            ids(&[1, 2, 3, 5, 7, 8, 9]),
            "PGM-SRV-001 to 003, 005, 007 to 009"
        );
    }

    #[test]
    fn shares_are_drawn_so_that_everybody_is_seen_and_nobody_goes_beyond_the_end() {
        let some = bar(&Bar::new(
            100,
            &[("application", 50), ("others", 1), ("reserved", 3)],
        ));
        assert_eq!(
            some,
            "[####################-=                  ]  # application 50, - others 1, = reserved 3, free 46 of 100"
        );
        let full = bar(&Bar::new(
            100,
            &[("application", 300), ("others", 100), ("reserved", 0)],
        ));
        assert!(
            full.starts_with("[##############################----------]"),
            "{full}"
        );
        assert!(full.ends_with("free none of 100"), "{full}");
    }
}
