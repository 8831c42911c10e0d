//! A report for a terminal: what to do something about first, then every layer, then one line of counts.
//! It reads without colour, because each status is a word.

use std::fmt::Write;

use super::data::{Counts, DatabaseReport, Finding, Report, Status};
use crate::check::Layer;

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
        "  {} {}  not so: {BOLD}{}{RESET}",
        word(finding.status),
        finding.id,
        finding.title
    );
    let labelled = [
        ("seen", Some(finding.seen.as_str())),
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

/// `PGM-SRV-001, 002, 007`.
fn together(ids: &[&str]) -> String {
    let mut text = String::new();
    for id in ids {
        match text.is_empty() {
            true => text.push_str(id),
            false => {
                let _ = write!(text, ", {}", id.rsplit('-').next().unwrap_or(id));
            }
        }
    }
    text
}

/// The status as a word of four letters, coloured.
fn word(status: Status) -> String {
    let colour = match status {
        Status::Skip => "\x1b[2m",
        Status::Ok => "\x1b[32m",
        Status::Warn => "\x1b[33;1m",
        Status::Fail => "\x1b[31;1m",
    };
    format!("{colour}{:<4}{RESET}", status.word())
}

fn counts(counts: Counts) -> String {
    let Counts {
        ok,
        warn,
        fail,
        skip,
    } = counts;
    format!("{ok} ok, {warn} warn, {fail} FAIL, {skip} skip")
}
