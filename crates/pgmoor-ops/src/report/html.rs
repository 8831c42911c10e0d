//! A report as one page that needs nothing else: no script, no font, no picture from elsewhere. It is made
//! to be passed on, to whoever looks after the database.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::{Counts, DatabaseReport, Finding, Report, Status};
use crate::check::words::duration;
use crate::check::{Bar, Layer};

/// What the page looks like: light and dark, on paper too.
const STYLE: &str = include_str!("page.css");

/// Writes the page.
pub fn write(report: &Report) -> String {
    let title = match &report.databases[..] {
        [only] => format!("Check of {}", only.name),
        several => format!("Check of {} databases", several.len()),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "pgmoor " (report.program.version) };
                title { (title) ": " (verdict(report.status)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p class={ "verdict " (class(report.status)) } { (verdict(report.status)) }
                    (counts(report.counts))
                    p.meta {
                        (report.started_at) " · took " (duration(std::time::Duration::from_millis(report.duration_ms)))
                        " · pgmoor " (report.program.version) " · read-only, without passwords or data"
                    }
                    @if report.databases.len() > 1 { (overview(report)) }
                }
                @for (number, database) in report.databases.iter().enumerate() {
                    (section(number, database))
                }
                footer {
                    "Each check is explained by " code { "pgmoor explain ID" } "."
                }
            }
        }
    };
    page.into_string()
}

/// The databases in a table, where there are several.
fn overview(report: &Report) -> Markup {
    html! {
        table.overview {
            thead { tr { th { "database" } th { "status" } th { "first to look at" } } }
            tbody {
                @for (number, database) in report.databases.iter().enumerate() {
                    tr {
                        td { a href={ "#d" (number) } { (database.name) } }
                        td { (badge(database.status)) }
                        td {
                            @match database.findings().next() {
                                Some(finding) => { (first_line(&finding.seen)) " " span.id { (finding.id) } },
                                None => "nothing",
                            }
                        }
                    }
                }
            }
        }
    }
}

fn section(number: usize, database: &DatabaseReport) -> Markup {
    let findings: Vec<&Finding> = database.findings().collect();
    html! {
        section id={ "d" (number) } {
            h2 { (database.name) " " (badge(database.status)) }
            dl.facts {
                @if let Some(address) = &database.address { dt { "address" } dd { code { (address) } } }
                @if let Some(endpoint) = &database.endpoint { dt { "endpoint" } dd { (endpoint) } }
                dt { "for" } dd { (database.system) }
                @if let Some(server) = &database.server {
                    dt { "server" }
                    dd {
                        "PostgreSQL " (server.version.as_deref().unwrap_or("of unknown version")) " at " (server.server)
                        ", as \"" (server.user) "\" on \"" (server.database) "\", "
                        (server.tls.as_deref().unwrap_or("no TLS"))
                    }
                }
            }
            @if findings.is_empty() {
                p.fine { "Nothing to do: no check failed or warned." }
            } @else {
                h3 { "To do" }
                ol.findings { @for finding in findings { (in_full(finding)) } }
            }
            h3 { "All checks" }
            @for layer in Layer::ALL { (layer_of(database, layer)) }
        }
    }
}

/// A finding with everything there is to say.
fn in_full(finding: &Finding) -> Markup {
    html! {
        li class=(class(finding.status)) {
            p.seen { (badge(finding.status)) " " (lines(&finding.seen)) }
            @if let Some(bar) = &finding.bar { (shares(bar)) }
            @if let Some(hint) = &finding.hint {
                div.hint { span.label { "Do" } pre { (hint) } }
            }
            p.why {
                "Wanted: " (finding.title) "."
                @if let Some(why) = finding.why { " " (why) }
                " " span.id { (finding.id) }
            }
        }
    }
}

/// The checks of a layer in a table, open where there is something to see.
fn layer_of(database: &DatabaseReport, layer: Layer) -> Markup {
    let checks: Vec<&Finding> = database
        .checks
        .iter()
        .filter(|check| check.layer == layer)
        .collect();
    let of = |status| checks.iter().filter(|check| check.status == status).count();
    let of_all = Counts {
        ok: of(Status::Ok),
        warn: of(Status::Warn),
        fail: of(Status::Fail),
        skip: of(Status::Skip),
    };
    html! {
        @if !checks.is_empty() {
            details open[of_all.warn + of_all.fail > 0] {
                summary { span.layer { (layer) } (counts(of_all)) }
                table.checks {
                    @for check in checks {
                        tr class=(class(check.status)) {
                            td { (badge(check.status)) }
                            td.id { (check.id) }
                            td {
                                (check.title)
                                div.saw { (lines(&check.seen)) }
                                @if let Some(bar) = &check.bar { (shares(bar)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Shares as a bar, and the figures under it.
fn shares(bar: &Bar) -> Markup {
    let whole = bar
        .parts
        .iter()
        .map(|part| part.value)
        .sum::<u64>()
        .max(bar.total)
        .max(1);
    html! {
        div.bar {
            @for (index, part) in bar.parts.iter().enumerate().filter(|(_, part)| part.value > 0) {
                span class={ "p" (index) } style={ "width:" (part.value * 100 / whole) "%" } {}
            }
        }
        p.legend {
            @for (index, part) in bar.parts.iter().enumerate().filter(|(_, part)| part.value > 0) {
                span class={ "key p" (index) } {} (part.name) " " (part.value) " "
            }
            span class="key free" {} "free " (bar.free()) " of " (bar.total)
        }
    }
}

fn counts(counts: Counts) -> Markup {
    let all = [
        (Status::Fail, counts.fail, "failed"),
        (Status::Warn, counts.warn, "warned"),
        (Status::Ok, counts.ok, "ok"),
        (Status::Skip, counts.skip, "skipped"),
    ];
    html! {
        span.counts {
            @for (status, count, what) in all {
                @if count > 0 { span class=(class(status)) { (count) " " (what) } " " }
            }
        }
    }
}

fn badge(status: Status) -> Markup {
    html! { span class={ "badge " (class(status)) } { (status.word()) } }
}

const fn class(status: Status) -> &'static str {
    match status {
        Status::Skip => "skip",
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "fail",
    }
}

const fn verdict(status: Status) -> &'static str {
    match status {
        Status::Skip => "not checked",
        Status::Ok => "fit",
        Status::Warn => "fit, with warnings",
        Status::Fail => "not fit",
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn lines(text: &str) -> Markup {
    html! {
        @for (index, line) in text.lines().enumerate() {
            @if index > 0 { br; }
            (line)
        }
    }
}
