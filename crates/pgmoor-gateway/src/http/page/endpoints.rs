//! What the page says of endpoints.

use std::fmt::Write;

use super::{escape, uptime};
use crate::pool::Failure;
use crate::snapshot::{Clock, CredentialRow, EndpointRow, Overview};

pub(super) fn endpoints(out: &mut String, overview: &Overview) {
    out.push_str("<section><h2>Endpoints</h2><div class=\"endpoints\">");
    for row in &overview.endpoints {
        endpoint(out, row, overview.clock);
    }
    out.push_str("</div></section>\n");
}

fn endpoint(out: &mut String, row: &EndpointRow, clock: Clock) {
    let (class, state) = match row.reachable {
        Some(true) => ("green", "reachable"),
        Some(false) => ("red", "unreachable"),
        None => ("yellow", "not tried yet"),
    };
    let limit = match row.max_connections {
        Some(limit) => format!("{} of {limit} connections", row.open),
        None => format!("{} connections", row.open),
    };
    let serves = if row.databases.is_empty() {
        "serves nothing".to_owned()
    } else {
        format!("serves {}", row.databases.join(", "))
    };
    let _ = write!(
        out,
        "<div class=\"endpoint\"><h3>{} <span class=\"tag {class}\">{state}</span></h3>\
         <p>{} &middot; as {} &middot; {limit} &middot; {}</p>",
        escape(&row.name),
        escape(&row.hosts.join(", ")),
        escape(&row.user),
        escape(&serves),
    );
    if let Some(row) = &row.credential {
        credential(out, row, clock);
    }
    if let Some(failure) = &row.last_failure {
        last_error(out, failure, row.reachable == Some(true), clock);
    }
    out.push_str("</div>");
}

fn credential(out: &mut String, row: &CredentialRow, clock: Clock) {
    let left = match (row.is_valid, row.left(clock.time)) {
        (true, Some(left)) => format!("good for {}", uptime(left)),
        (true, None) => "good".to_owned(),
        (false, _) if row.is_missing() => "none to be had".to_owned(),
        (false, _) => "none at hand".to_owned(),
    };
    let _ = write!(
        out,
        "<p>credential of {}: {left} &middot; fetched {} times</p>",
        escape(&row.source),
        row.renewals,
    );
    if let Some(trouble) = &row.last_failure {
        let class = if row.is_valid { " over" } else { "" };
        let message = escape(&trouble.message);
        let _ = write!(
            out,
            "<div class=\"error{class}\"><p><strong>it is not renewed</strong>: {message}</p></div>"
        );
    }
}

fn last_error(out: &mut String, failure: &Failure, is_over: bool, clock: Clock) {
    let ago = clock.since(failure.at);
    let _ = write!(
        out,
        "<div class=\"error{}\"><p><strong>last error, {} ago</strong> ({}): {}</p>",
        if is_over { " over" } else { "" },
        uptime(ago),
        escape(&failure.sqlstate),
        escape(&failure.message),
    );
    if let Some(hint) = &failure.hint {
        let _ = write!(out, "<p>hint: {}</p>", escape(hint));
    }
    out.push_str("</div>");
}
