//! The page: what a person wants to know first, first. No script, no outside asset.

mod endpoints;

use std::fmt::Write;
use std::time::Duration;

use super::ready::missing;
use crate::preparation::Stage;
use crate::settings::PoolMode;
use crate::snapshot::{DatabaseRow, Overview, PoolRow};
use crate::table::utc;
use crate::totals::Totals;
use endpoints::endpoints;

/// How often the page renews itself, in seconds.
const REFRESH: u32 = 5;
/// A client that waited longer than this waited long.
const LONG: Duration = Duration::from_millis(100);
/// So many that waited long, and one in a hundred of all, make a database slow: the first clients of a
/// pool wait while it is opened, which tells nothing.
const MANY: u64 = 10;

/// How things are, at one glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Light {
    Green,
    Yellow,
    Red,
}

impl Light {
    fn class(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// One line that says how things are, and what speaks for it.
fn verdict(overview: &Overview) -> (Light, String, Vec<String>) {
    let missing = missing(overview);
    let unreached = |row: &&DatabaseRow| {
        !row.paused && row.reachable == Some(false) && row.last_failure.is_some()
    };
    let broken: Vec<&str> = overview
        .databases
        .iter()
        .filter(unreached)
        .map(|row| &*row.name)
        .collect();
    let mut notes = Vec::new();
    let paused: Vec<&str> = overview
        .databases
        .iter()
        .filter(|row| row.paused)
        .map(|row| &*row.name)
        .collect();
    if !paused.is_empty() {
        notes.push(format!("{} is paused: its clients wait", paused.join(", ")));
    }
    for (name, recent) in &overview.recent {
        let (long, all) = (recent.wait.count_above(LONG), recent.wait.count());
        if long >= MANY.max(all / 100) {
            notes.push(format!(
                "{long} of {all} waits of clients of {name} for a server connection took more than {}",
                duration(LONG)
            ));
        }
        if recent.timeouts > 0 {
            notes.push(format!(
                "{} clients of {name} waited in vain",
                recent.timeouts
            ));
        }
    }
    if overview.connected * 10 >= overview.max_clients * 9 {
        notes.push(format!(
            "{} of {} client connections are taken",
            overview.connected, overview.max_clients
        ));
    }
    if overview.stopping {
        return (Light::Yellow, "pgmoor is stopping".into(), notes);
    }
    if !broken.is_empty() {
        let line = format!("{} cannot be reached", broken.join(", "));
        return (Light::Red, line, notes);
    }
    if !missing.is_empty() {
        return (Light::Yellow, "servers are being looked for".into(), notes);
    }
    if !notes.is_empty() {
        return (
            Light::Yellow,
            "all databases are served, but look below".into(),
            notes,
        );
    }
    (Light::Green, "all databases are served".into(), notes)
}

/// The page as HTML.
pub(super) fn page(overview: &Overview) -> String {
    let (light, line, notes) = verdict(overview);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
         <title>pgmoor: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        title = escape(&line),
    );
    let _ = writeln!(
        out,
        "<header class=\"{}\"><span class=\"light\" aria-hidden=\"true\"></span>\
         <div><h1>{}</h1><p>pgmoor {} &middot; up {} &middot; {}</p></div></header>",
        light.class(),
        escape(&line),
        env!("CARGO_PKG_VERSION"),
        uptime(overview.uptime()),
        utc(overview.clock.time),
    );
    if !notes.is_empty() {
        out.push_str("<ul class=\"notes\">");
        for note in &notes {
            let _ = write!(out, "<li>{}</li>", escape(note));
        }
        out.push_str("</ul>\n");
    }
    figures(&mut out, overview);
    pools(&mut out, overview);
    databases(&mut out, overview);
    endpoints(&mut out, overview);
    out.push_str(FOOTER);
    out
}

fn figures(out: &mut String, overview: &Overview) {
    let mut recent = Totals::default();
    overview
        .recent
        .values()
        .for_each(|totals| recent.add(totals));
    let seconds = overview.period.as_secs_f64().max(1.0);
    let mut figure = |name: &str, value: &str, detail: &str| {
        let _ = write!(
            out,
            "<div><dt>{name}</dt><dd>{value}</dd><dd class=\"detail\">{detail}</dd></div>"
        );
    };
    let logged_in: u64 = overview.pools.iter().map(|pool| pool.clients).sum();
    let waiting: u64 = overview.pools.iter().map(|pool| pool.waiting_clients).sum();
    let open: u64 = overview.pools.iter().map(|pool| pool.open).sum();
    let active: u64 = overview.pools.iter().map(|pool| pool.active_servers).sum();
    let quantile = |buckets: &crate::totals::Buckets, share| {
        buckets
            .quantile(share)
            .map_or_else(|| "&ndash;".to_owned(), duration)
    };
    let waited = format!("p99 {}", quantile(&recent.wait, 0.99));
    let took = format!("p99 {}", quantile(&recent.query, 0.99));
    figure(
        "clients",
        &logged_in.to_string(),
        &format!("{waiting} waiting"),
    );
    figure(
        "server connections",
        &open.to_string(),
        &format!("{active} active"),
    );
    figure(
        "queries a second",
        &rate(recent.queries as f64 / seconds),
        &format!(
            "{} transactions",
            rate(recent.transactions as f64 / seconds)
        ),
    );
    figure("wait, median", &quantile(&recent.wait, 0.5), &waited);
    figure("query, median", &quantile(&recent.query, 0.5), &took);
    figure(
        "errors",
        &recent.errors.to_string(),
        &format!("in {}", uptime(overview.period)),
    );
    let inner = out.split_off(out.rfind("<div><dt>clients").unwrap_or(out.len()));
    let _ = writeln!(
        out,
        "<section><h2>The last {}</h2><dl class=\"figures\">{inner}</dl></section>",
        uptime(overview.period)
    );
}

fn pools(out: &mut String, overview: &Overview) {
    out.push_str("<section><h2>Pools</h2>");
    if overview.pools.is_empty() {
        out.push_str("<p class=\"empty\">No client has logged in yet.</p></section>\n");
        return;
    }
    out.push_str(
        "<p class=\"legend\"><i class=\"active\"></i>active <i class=\"idle\"></i>idle \
         <i class=\"other\"></i>opening, reset or closing <i class=\"free\"></i>not opened</p><div class=\"pools\">",
    );
    for pool in &overview.pools {
        bar(out, pool);
    }
    out.push_str("</div></section>\n");
}

fn bar(out: &mut String, pool: &PoolRow) {
    let other = pool.opening_servers + pool.resetting_servers + pool.closing_servers;
    let share = |count: u64| 100.0 * count as f64 / pool.size.max(1) as f64;
    let waiting = match pool.waiting_clients {
        0 => "none wait".to_owned(),
        count => format!(
            "<strong>{count} wait</strong>, the first for {}",
            duration(pool.longest_wait)
        ),
    };
    let words = format!(
        "{} active, {} idle, {other} opening, being reset or closing, of {}",
        pool.active_servers, pool.idle_servers, pool.size
    );
    let _ = write!(
        out,
        "<div class=\"pool\"><h3>{} <small>{} &middot; {}</small></h3>\
         <div class=\"bar\" role=\"img\" aria-label=\"{words}\">\
         <b class=\"active\" style=\"width:{:.2}%\"></b><b class=\"idle\" style=\"width:{:.2}%\"></b>\
         <b class=\"other\" style=\"width:{:.2}%\"></b></div>\
         <p><span>{} active, {} idle of {}</span><span>{} clients, {waiting}</span></p></div>",
        escape(&pool.database),
        escape(&pool.user),
        mode(pool.mode),
        share(pool.active_servers),
        share(pool.idle_servers),
        share(other),
        pool.active_servers,
        pool.idle_servers,
        pool.size,
        pool.clients,
    );
}

fn mode(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    }
}

fn databases(out: &mut String, overview: &Overview) {
    out.push_str(
        "<section><h2>Databases</h2><div class=\"wide\"><table><thead><tr><th>database</th><th>state</th>\
         <th>served by</th><th class=\"n\">clients</th><th class=\"n\">queries/s</th>\
         <th class=\"n\">wait p50</th><th class=\"n\">p99</th><th class=\"n\">query p50</th>\
         <th class=\"n\">p99</th></tr></thead><tbody>",
    );
    let seconds = overview.period.as_secs_f64().max(1.0);
    for row in &overview.databases {
        let recent = overview.recent.get(&row.name).cloned().unwrap_or_default();
        let quantile = |buckets: &crate::totals::Buckets, share| {
            buckets
                .quantile(share)
                .map_or_else(|| "&ndash;".to_owned(), duration)
        };
        let (class, state) = state(row);
        let _ = write!(
            out,
            "<tr><th>{}</th><td><span class=\"tag {class}\">{state}</span></td><td>{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&row.name),
            escape(&row.endpoint),
            row.clients,
            rate(recent.queries as f64 / seconds),
            quantile(&recent.wait, 0.5),
            quantile(&recent.wait, 0.99),
            quantile(&recent.query, 0.5),
            quantile(&recent.query, 0.99),
        );
    }
    out.push_str("</tbody></table></div></section>\n");
}

fn state(row: &DatabaseRow) -> (&'static str, &'static str) {
    match row.preparation {
        Stage::Done => {}
        Stage::UnderWay { .. } => return ("yellow", "being prepared"),
        Stage::Failed { .. } => return ("red", "not prepared"),
    }
    match (row.paused, row.disabled, row.reachable) {
        (true, _, _) => ("yellow", "paused"),
        (false, true, _) => ("yellow", "disabled"),
        (false, false, Some(true)) => ("green", "served"),
        (false, false, Some(false)) => ("red", "unreachable"),
        (false, false, None) => ("yellow", "not tried yet"),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Three digits are enough: `430 µs`, `1.5 ms`, `2.1 s`.
fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{:.1} s", micros as f64 / 1e6),
        _ => uptime(duration),
    }
}

/// The two largest units: `3 d 4 h`, `12 min 5 s`.
fn uptime(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn rate(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate if rate < 10_000.0 => format!("{rate:.0}"),
        rate => format!("{:.1}k", rate / 1e3),
    }
}

const FOOTER: &str = "<footer><nav><a href=\"/status\">status</a> <a href=\"/metrics\">metrics</a> \
<a href=\"/clients\">clients</a> <a href=\"/servers\">servers</a> <a href=\"/readiness\">readiness</a></nav>\
<p>This page renews itself every 5 s and changes nothing. To act: <code>pgmoor pause</code>, \
<code>pgmoor resume</code>, or <code>psql -d pgmoor</code>.</p></footer>\n</main>\n</body>\n</html>\n";

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_chose_is_escaped() {
        let (mut overview, _) = crate::console::tests::busy();
        overview.pools[0].user = "<script>alert(1)</script>".into();

        let page = page(&overview);

        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "no outside asset"
        );
    }

    #[test]
    fn the_first_line_tells_how_things_are() {
        let (mut overview, _) = crate::console::tests::busy();
        let line = |overview: &Overview| {
            let (light, line, notes) = verdict(overview);
            format!("{light:?}: {line} {notes:?}")
        };
        let mut seen = vec![line(&overview)];
        overview.databases[0].paused = false;
        seen.push(line(&overview));
        overview.databases[0].reachable = None;
        seen.push(line(&overview));
        overview.databases[0].reachable = Some(false);
        overview.databases[0].last_failure = Some(crate::pool::Failure {
            at: overview.clock.moment,
            message: "connection refused".into(),
            hint: None,
            sqlstate: "08001".into(),
            retryable: true,
        });
        seen.push(line(&overview));
        overview.stopping = true;
        seen.push(line(&overview));

        insta::assert_snapshot!(seen.join("\n"));
    }

    #[test]
    fn a_few_long_waits_at_the_start_are_no_reason_to_worry() {
        let (mut overview, _) = crate::console::tests::busy();
        overview.databases[0].paused = false;
        let mut with_waits = |count: usize| {
            let recent = overview.recent.values_mut().next().expect("a database");
            recent.wait = Default::default();
            // Between 200 and 500 ms.
            recent.wait.counts[12] = count as u64;
            recent.timeouts = 0;
            verdict(&overview).2.join(", ")
        };

        assert!(!with_waits(3).contains("waits of"), "{}", with_waits(3));
        assert!(
            with_waits(30).contains(
                "30 of 30 waits of clients of app for a server connection took more than 100 ms"
            ),
            "{}",
            with_waits(30)
        );
    }

    #[test]
    fn durations_are_short() {
        let shown = [430, 1_500, 43_000, 2_100_000, 90_000_000].map(Duration::from_micros);
        assert_eq!(
            shown.map(duration),
            ["430 µs", "1.5 ms", "43 ms", "2.1 s", "1 min 30 s"]
        );
        assert_eq!(
            uptime(Duration::from_secs(3 * 86_400 + 4 * 3_600)),
            "3 d 4 h"
        );
    }
}
