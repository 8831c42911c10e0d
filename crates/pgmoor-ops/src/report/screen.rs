//! A report for a screen that is written anew each time: what did not pass and what changed, no more than fits.

use std::fmt::Write;

use super::data::{DatabaseReport, Report, Status};
use super::text::{counts, word};

/// At most so many of the last changes are shown, and no more than a third of the screen.
const CHANGES: usize = 8;

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: usize,
    /// Characters in a line.
    pub columns: usize,
}

/// A line: what stands before a status, the status, and what stands behind it.
struct Line {
    indent: &'static str,
    status: Option<Status>,
    text: String,
}

impl Line {
    fn plain(indent: &'static str, text: impl Into<String>) -> Self {
        Self {
            indent,
            status: None,
            text: text.into(),
        }
    }

    /// Colours take no room.
    fn fit(&self, columns: usize) -> String {
        let mut out = self.indent.to_owned();
        let mut used = self.indent.chars().count();
        if let Some(status) = self.status {
            let _ = write!(out, "{} ", word(status));
            used += 5;
        }
        let room = columns.saturating_sub(used);
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        match self.text.chars().count() > room {
            true => {
                let cut = self.text.chars().take(room.saturating_sub(1)).map(shown);
                out.extend(cut);
                out.push('…');
            }
            false => out.extend(self.text.chars().map(shown)),
        }
        out
    }
}

/// The lines of the screen, as many as there are rows at most; `changes` are lines too, the last one newest.
pub fn write(report: &Report, changes: &[String], footer: &str, size: Size) -> Vec<String> {
    let last = Line {
        indent: "",
        status: Some(report.status),
        text: format!("{}; {footer}", counts(report.counts)),
    };
    let rows = size.rows.max(2) - 1;
    let fitting = changes.len().min(CHANGES).min(rows / 3);
    let changes: Vec<Line> = match fitting {
        0 => Vec::new(),
        count => {
            let newest = changes[changes.len() - count..].iter();
            let newest = newest.map(|change| Line::plain("  ", change.clone()));
            std::iter::once(Line::plain("", "changed"))
                .chain(newest)
                .collect()
        }
    };
    let room = rows.saturating_sub(changes.len()).max(1);
    let mut body: Vec<Line> = report.databases.iter().flat_map(of_database).collect();
    if body.len() > room {
        let hidden = body.len() - (room - 1);
        body.truncate(room - 1);
        body.push(Line::plain(
            "  ",
            format!("… {hidden} more lines; without --watch all of it is shown"),
        ));
    }
    let all = body.iter().chain(&changes).chain([&last]);
    all.map(|line| line.fit(size.columns)).collect()
}

/// The database, and what of it did not pass.
fn of_database(database: &DatabaseReport) -> Vec<Line> {
    let place = database.server.as_ref().map(|server| {
        let version = server.version.as_deref().unwrap_or("of unknown version");
        format!(": PostgreSQL {version} at {}", server.server)
    });
    let mut lines = vec![Line {
        indent: "",
        status: Some(database.status),
        text: format!("{}{}", database.name, place.unwrap_or_default()),
    }];
    for finding in database.findings() {
        lines.push(Line {
            indent: "  ",
            status: Some(finding.status),
            text: format!("{}  {}", finding.id, finding.seen),
        });
        if let Some(hint) = &finding.hint {
            lines.push(Line::plain("       ", format!("do  {hint}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::check::Layer;
    use crate::report::{Counts, Finding};

    fn report(findings: usize) -> Report {
        let finding = |number: usize| Finding {
            id: "PGM-NET-002",
            layer: Layer::Network,
            title: "",
            status: Status::Fail,
            seen: format!("nobody listens, {number}\nthere"),
            why: None,
            hint: Some("start the server ".repeat(10)),
            bar: None,
        };
        let database = DatabaseReport {
            name: "app".to_owned(),
            endpoint: None,
            address: None,
            system: "generic".to_owned(),
            server: None,
            status: Status::Fail,
            counts: Counts::default(),
            duration_ms: 1,
            connected: false,
            tried: true,
            may_come: true,
            first: None,
            checks: (0..findings).map(finding).collect(),
        };
        let took = Duration::from_millis(1);
        Report::new("0.0.0", SystemTime::UNIX_EPOCH, took, vec![database])
    }

    /// Without colours.
    fn plain(line: &str) -> String {
        let mut out = String::new();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                '\x1b' => characters.by_ref().take_while(|c| *c != 'm').for_each(drop),
                other => out.push(other),
            }
        }
        out
    }

    #[test]
    fn whatever_there_is_to_say_fits_the_screen() {
        let changes: Vec<String> = (0..30).map(|number| format!("change {number}")).collect();
        for (findings, changes) in [(0, &[][..]), (2, &changes[..3]), (50, &changes[..])] {
            for (rows, columns) in [(24, 80), (5, 20), (100, 200), (1, 1)] {
                let size = Size { rows, columns };
                let lines = write(&report(findings), changes, "Ctrl-C ends it", size);

                assert!(lines.len() <= rows.max(2), "{findings} {size:?}");
                for line in &lines {
                    let width = plain(line).chars().count();
                    assert!(width <= columns.max(8), "{width} {size:?}: {line:?}");
                    assert!(!line.contains('\n'));
                }
            }
        }
    }

    #[test]
    fn the_worst_is_on_top_and_the_newest_change_and_the_counts_below() {
        let changes: Vec<String> = (0..30).map(|number| format!("change {number}")).collect();
        let size = Size {
            rows: 12,
            columns: 60,
        };
        let lines = write(&report(9), &changes, "Ctrl-C ends it", size);
        let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();

        assert_eq!(lines[0], "FAIL app");
        assert!(lines[1].starts_with("  FAIL PGM-NET-002  nobody listens, 0 there"));
        assert!(lines[2].ends_with('…'), "{lines:#?}");
        assert_eq!(lines[lines.len() - 2], "  change 29");
        assert!(lines[lines.len() - 1].ends_with("Ctrl-C ends it"));
        assert!(lines.iter().any(|line| line.contains("more lines")));
    }
}
