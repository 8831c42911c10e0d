//! Which of the many forms a text has.

use super::error::EndpointError;
use super::keyword::is_blank;
use super::raw::Raw;
use super::{jdbc, keyword, npgsql, schemeless, uri};

const SHAPES: &str =
    "write it as postgres://user:password@host:port/database, or as host=… dbname=… user=…";

/// Finds out the form of a text and takes it apart.
pub(super) fn read(text: &str) -> Result<Raw, EndpointError> {
    if text.contains('\0') {
        return Err(EndpointError::syntax(
            "address",
            "it has a NUL character in it",
            "remove it",
        ));
    }
    // A secret read from a file often ends in a line break.
    let text = text.trim_end_matches(['\r', '\n']);
    if let Some(rest) = strip_libpq_scheme(text) {
        return uri::parse(rest);
    }
    let mut notice = None;
    let mut text = text.trim_matches(is_blank);
    if let Some(command) = text
        .strip_prefix("psql ")
        .map(|rest| rest.trim_matches(is_blank))
        .filter(|rest| unquote(rest).is_some())
    {
        text = command;
    }
    if let Some(inner) = unquote(text) {
        notice = Some("the quotes around the address were dropped");
        text = inner.trim_matches(is_blank);
    }
    let mut raw = read_trimmed(text)?;
    if let Some(notice) = notice {
        raw.notice(notice);
    }
    Ok(raw)
}

fn read_trimmed(text: &str) -> Result<Raw, EndpointError> {
    if let Some(rest) = strip_libpq_scheme(text) {
        return uri::parse(rest);
    }
    if let Some(rest) = text
        .get(..5)
        .filter(|start| start.eq_ignore_ascii_case("jdbc:"))
        .map(|_| &text[5..])
    {
        return jdbc::parse(rest);
    }
    if let Some((scheme, rest)) = text
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
    {
        return read_with_scheme(scheme, rest);
    }
    if is_broken_scheme(text) {
        return Err(EndpointError::syntax(
            "address",
            "its scheme is not followed by \"://\"",
            SHAPES,
        ));
    }
    match text.find(['=', ':', '@', '/']) {
        Some(at) if text.as_bytes()[at] == b'=' => {
            if npgsql::is_meant(text) {
                npgsql::parse(text)
            } else {
                keyword::parse(text)
            }
        }
        None if text.is_empty() => keyword::parse(text),
        Some(at) if at > 0 && !text[..at].contains(is_blank) => schemeless::parse(text),
        // A bare word could be a host, a database, or a password that went astray: it is not quoted.
        Some(_) | None => Err(EndpointError::syntax(
            "address",
            "it is neither a URI nor name=value pairs",
            SHAPES,
        )),
    }
}

fn read_with_scheme(scheme: &str, rest: &str) -> Result<Raw, EndpointError> {
    let lower = scheme.to_ascii_lowercase();
    let (base, driver) = match lower.split_once('+') {
        Some((base, driver)) => (base, Some(driver)),
        None => (lower.as_str(), None),
    };
    if !matches!(
        base,
        "postgres" | "postgresql" | "pgsql" | "psql" | "postgis"
    ) {
        return Err(EndpointError::syntax(
            "address",
            format!("scheme {scheme:?} is not PostgreSQL's"),
            SHAPES,
        ));
    }
    let mut raw = if driver.is_some() {
        schemeless::parse_sqlalchemy(rest)?
    } else {
        uri::parse(rest)?
    };
    raw.notice(match driver {
        Some(driver) => format!("read as a SQLAlchemy URL; the driver {driver:?} was dropped"),
        None => format!("scheme {scheme:?} was read as \"postgres\""),
    });
    Ok(raw)
}

fn strip_libpq_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
}

/// `postgres:/host` and `postgresql//host`; with a `@` it is user `postgres`.
fn is_broken_scheme(text: &str) -> bool {
    let after = text
        .strip_prefix("postgres")
        .map(|rest| rest.strip_prefix("ql").unwrap_or(rest));
    after.is_some_and(|rest| rest.starts_with(":/") || rest.starts_with("//"))
        && !text.contains('@')
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
}

fn unquote(text: &str) -> Option<&str> {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}
