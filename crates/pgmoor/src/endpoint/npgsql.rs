//! Npgsql's (.NET) connection strings: `Host=h;Username=u;Password='p;q';SSL Mode=Require`.

use pgmoor_wire::Secret;

use super::error::EndpointError;
use super::raw::{Dialect, Form, Raw};
use super::{foreign, schemeless};

const FORM: &str = "Npgsql connection string";

/// Whether a text with a `=` is Npgsql's rather than libpq's.
///
/// It is when its first name is Npgsql's and either another of its names follows a `;`, or libpq does
/// not know the first.
pub(super) fn is_meant(text: &str) -> bool {
    let Some((first, rest)) = text.split_once('=') else {
        return false;
    };
    if foreign::npgsql_name(first).is_none() {
        return false;
    }
    if !super::known::is_keyword(first.trim()) {
        return true;
    }
    let Some((value, rest)) = rest.split_once(';') else {
        return false;
    };
    let starts_libpq_pair = value.contains('=') && !value.trim_start().starts_with(['\'', '"']);
    let next = rest.split('=').next().unwrap_or_default();
    !starts_libpq_pair && (rest.trim().is_empty() || foreign::npgsql_name(next).is_some())
}

/// Reads `name=value` pairs between semicolons.
pub(super) fn parse(text: &str) -> Result<Raw, EndpointError> {
    let mut raw = Raw::new(Dialect::Npgsql, Form::Npgsql);
    raw.notice("read as an Npgsql connection string");
    let mut rest = text.trim_matches([' ', '\t', '\r', '\n', ';']);
    let mut index = 0;
    while !rest.is_empty() {
        index += 1;
        let Some((name, after)) = rest.split_once('=') else {
            return Err(EndpointError::syntax(
                FORM,
                format!("pair {index} has no \"=\""),
                "write name=value between semicolons",
            ));
        };
        let after = after.trim_start();
        let (value, after) = match after.chars().next() {
            Some(quote @ ('\'' | '"')) => quoted(&after[1..], quote, index)?,
            _ => {
                let (value, after) = after.split_once(';').unwrap_or((after, ""));
                (value.trim_end().to_owned(), after)
            }
        };
        let is_host =
            foreign::npgsql_name(name).is_some_and(|name| matches!(name.name, "host" | "server"));
        if is_host && value.split(',').any(schemeless::has_port) {
            let (hosts, ports) = schemeless::split_ports(&value);
            raw.push("Host", hosts);
            raw.push("Port", ports);
        } else {
            raw.push_after_secret(name.trim().to_owned(), Secret::new(value));
        }
        rest = after.trim_start_matches([' ', '\t', '\r', '\n', ';']);
    }
    Ok(raw)
}

/// Reads up to the closing quote; a doubled quote is one of the value.
fn quoted(text: &str, quote: char, index: usize) -> Result<(String, &str), EndpointError> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once(quote) else {
            let problem = format!("the quote of pair {index} is not closed");
            return Err(EndpointError::syntax(
                FORM,
                problem,
                "write a quote inside a quoted value twice",
            ));
        };
        value.push_str(part);
        match after.strip_prefix(quote) {
            Some(after) => {
                value.push(quote);
                rest = after;
            }
            None if after.trim_start().is_empty() || after.trim_start().starts_with(';') => {
                return Ok((value, after));
            }
            None => {
                let problem = format!("after the quoted value of pair {index} comes no \";\"");
                return Err(EndpointError::syntax(
                    FORM,
                    problem,
                    "write a quote inside a quoted value twice",
                ));
            }
        }
    }
}
