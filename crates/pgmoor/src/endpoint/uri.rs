//! libpq's connection URIs, read as libpq 17 and later read them.

use pgmoor_wire::Secret;

use super::error::EndpointError;
use super::raw::{Dialect, Form, Raw};

const FORM: &str = "connection URI";
const ENCODE: &str = "inside a user name, password or database name write \"@\" as %40, \"/\" as %2F, \":\" as %3A, \"%\" as %25";

/// What a URI is cut into, before any decoding.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pieces<'a> {
    pub(super) user_info: Option<&'a str>,
    pub(super) hosts: &'a str,
    pub(super) path: Option<&'a str>,
    pub(super) query: Option<&'a str>,
}

/// Reads what follows `postgres://` or `postgresql://`.
pub(super) fn parse(rest: &str) -> Result<Raw, EndpointError> {
    let mut raw = Raw::new(Dialect::Libpq, Form::Uri);
    let mut pieces = cut(rest);
    if let Some(at) = pieces.hosts.rfind('@') {
        // The first "@" ends libpq's user info; what it leaves could never be resolved.
        let user_info = &rest[..pieces.user_info.map_or(0, |info| info.len() + 1) + at];
        pieces.user_info = Some(user_info);
        pieces.hosts = &pieces.hosts[at + 1..];
        raw.notice("the last \"@\" before the host ends the user and password (libpq takes the first); write \"@\" in them as %40");
    }
    if pieces.path.is_some_and(|path| path.contains('@')) {
        return Err(EndpointError::syntax(
            FORM,
            "there is an \"@\" after the first \"/\"",
            ENCODE,
        ));
    }
    raw.port_quotable = pieces.user_info.is_some();
    if let Some(user_info) = pieces.user_info {
        push_user_info(&mut raw, user_info, &decode)?;
    }
    let (hosts, ports) = cut_hosts(pieces.hosts)?;
    push_unless_empty(&mut raw, "host", decode(&hosts, "host")?);
    push_unless_empty(&mut raw, "port", decode(&ports, "port")?);
    if let Some(path) = pieces.path {
        push_unless_empty(&mut raw, "dbname", decode(path, "database name")?);
    }
    if let Some(query) = pieces.query {
        let quotable = is_only_query(query, pieces.user_info, &ports);
        push_query(&mut raw, query, quotable)?;
    }
    Ok(raw)
}

/// Cuts where libpq cuts: user info at the first `@` before any `/`, then hosts, path and query.
fn cut(rest: &str) -> Pieces<'_> {
    let mut pieces = Pieces::default();
    let mut rest = rest;
    if let Some(end) = rest
        .find(['@', '/'])
        .filter(|&end| rest.as_bytes()[end] == b'@')
    {
        pieces.user_info = Some(&rest[..end]);
        rest = &rest[end + 1..];
    }
    let end = end_of_hosts(rest);
    pieces.hosts = &rest[..end];
    rest = &rest[end..];
    if let Some(path) = rest.strip_prefix('/') {
        let end = path.find('?').unwrap_or(path.len());
        pieces.path = Some(&path[..end]);
        rest = &path[end..];
    }
    pieces.query = rest.strip_prefix('?');
    pieces
}

/// Hosts end at `/` or `?`, but not inside brackets.
pub(super) fn end_of_hosts(text: &str) -> usize {
    let mut at = 0;
    loop {
        if text[at..].starts_with('[') {
            match text[at..].find(']') {
                Some(end) => at += end,
                None => return text.len(),
            }
        }
        match text[at..].find([',', '/', '?']) {
            Some(end) if text.as_bytes()[at + end] == b',' => at += end + 1,
            Some(end) => return at + end,
            None => return text.len(),
        }
    }
}

/// Cuts `h1:1,[::1]:2,h3` into the lists `h1,::1,h3` and `1,2,`.
pub(super) fn cut_hosts(text: &str) -> Result<(String, String), EndpointError> {
    let mut hosts = String::new();
    let mut ports = String::new();
    let mut rest = text;
    loop {
        if let Some(bracketed) = rest.strip_prefix('[') {
            let Some((address, after)) = bracketed.split_once(']') else {
                return Err(EndpointError::syntax(
                    FORM,
                    "a \"[\" of an IPv6 address is not closed",
                    ENCODE,
                ));
            };
            if address.is_empty() {
                return Err(EndpointError::syntax(
                    FORM,
                    "the IPv6 address between \"[\" and \"]\" is empty",
                    "",
                ));
            }
            if !(after.is_empty() || after.starts_with([':', ','])) {
                return Err(EndpointError::syntax(
                    FORM,
                    "after the \"]\" of an IPv6 address comes neither a port nor the end of the host",
                    "",
                ));
            }
            hosts.push_str(address);
            rest = after;
        } else {
            let end = rest.find([':', ',']).unwrap_or(rest.len());
            hosts.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        if let Some(port) = rest.strip_prefix(':') {
            let end = port.find(',').unwrap_or(port.len());
            ports.push_str(&port[..end]);
            rest = &port[end..];
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((hosts, ports)),
        }
        hosts.push(',');
        ports.push(',');
    }
}

/// Adds user and password; empty ones count as not given.
pub(super) fn push_user_info(
    raw: &mut Raw,
    user_info: &str,
    decode: &dyn Fn(&str, &str) -> Result<String, EndpointError>,
) -> Result<(), EndpointError> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    push_unless_empty(raw, "user", decode(user, "user")?);
    push_unless_empty(raw, "password", decode(password, "password")?);
    Ok(())
}

/// Whether what stands behind the `?` can be nothing but parameters: not the rest of a password that a raw
/// `?` cut, which has its `@` behind, or lost it and stands where a port should.
pub(super) fn is_only_query(query: &str, user_info: Option<&str>, ports: &str) -> bool {
    let is_port_list = ports.chars().all(|c| c.is_ascii_digit() || c == ',');
    !query.contains('@') && (user_info.is_some() || is_port_list)
}

pub(super) fn push_unless_empty(raw: &mut Raw, name: &str, value: String) {
    if !value.is_empty() {
        raw.push(name, value);
    }
}

/// Adds `name=value&…`. `quotable` says whether the text can be nothing but parameters.
fn push_query(raw: &mut Raw, query: &str, quotable: bool) -> Result<(), EndpointError> {
    let mut rest = query;
    while !rest.is_empty() {
        let (item, after) = rest.split_once('&').unwrap_or((rest, ""));
        rest = after;
        let Some((name, value)) = item.split_once('=') else {
            return Err(EndpointError::syntax(
                FORM,
                "a query parameter has no \"=\"",
                "write parameters as name=value, joined by \"&\"",
            ));
        };
        let name = decode(name, "name of a query parameter")?;
        if value.contains('=') && quotable && super::known::is_keyword(&name) {
            raw.notice(format!(
                "the first \"=\" ends the name of parameter {name:?}; libpq wants later ones as %3D"
            ));
        }
        let value = decode(value, "value of a query parameter")?;
        if name == "ssl" && value == "true" {
            raw.push("sslmode", "require".to_owned());
        } else {
            raw.push_query(name, Secret::new(value), quotable);
        }
    }
    Ok(())
}

/// Decodes `%` escapes; blanks around the text are dropped, blanks inside refused.
pub(super) fn decode(text: &str, what: &str) -> Result<String, EndpointError> {
    let text = text.trim_matches(' ');
    if text.contains(' ') {
        return Err(EndpointError::syntax(
            FORM,
            format!("the {what} has a blank in it"),
            "write a blank as %20",
        ));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest
            .get(..2)
            .and_then(|pair| Some((hex(pair[0])?, hex(pair[1])?)));
        let Some((high, low)) = digits else {
            return Err(EndpointError::syntax(
                FORM,
                format!("the {what} has a \"%\" without two hexadecimal digits after it"),
                "write \"%\" as %25",
            ));
        };
        if (high, low) == (0, 0) {
            return Err(EndpointError::syntax(
                FORM,
                format!("the {what} has the forbidden value %00"),
                "",
            ));
        }
        bytes.push(high << 4 | low);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| {
        EndpointError::syntax(
            FORM,
            format!("the {what} is not UTF-8 after decoding"),
            "encode the UTF-8 bytes",
        )
    })
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
