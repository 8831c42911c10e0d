//! Addresses that are no libpq URIs: `user:pass@host:port/db?name=value` without a scheme, and
//! SQLAlchemy's `postgresql+driver://…`.
//!
//! The last `@` ends the user info, so passwords may hold `@` and `/` as they are.

use pgmoor_wire::Secret;

use super::error::EndpointError;
use super::raw::{Dialect, Form, Pair, Raw};
use super::{foreign, known, uri};

const FORM: &str = "address";
const SHAPE: &str = "write it as user:password@host:port/database?name=value";

/// Reads an address without a scheme.
pub(super) fn parse(text: &str) -> Result<Raw, EndpointError> {
    let mut raw = Raw::new(Dialect::Libpq, Form::Schemeless);
    push_address(
        &mut raw,
        text,
        Decoding {
            plus_is_blank: false,
        },
    )?;
    Ok(raw)
}

/// Reads what follows `postgresql+driver://`.
pub(super) fn parse_sqlalchemy(rest: &str) -> Result<Raw, EndpointError> {
    let mut raw = Raw::new(Dialect::SqlAlchemy, Form::SqlAlchemy);
    push_address(
        &mut raw,
        rest,
        Decoding {
            plus_is_blank: true,
        },
    )?;
    gather_hosts(&mut raw);
    Ok(raw)
}

/// How `%` and `+` are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoding {
    /// Whether `+` in a query is a blank.
    pub(super) plus_is_blank: bool,
}

/// Cuts an address at its last `@` and adds what it says.
pub(super) fn push_address(
    raw: &mut Raw,
    text: &str,
    decoding: Decoding,
) -> Result<(), EndpointError> {
    let (rest, query) = cut_query(text);
    let (user_info, rest) = match rest.rsplit_once('@') {
        Some((user_info, rest)) => (Some(user_info), rest),
        None => (None, rest),
    };
    raw.port_quotable = user_info.is_some();
    if let Some(user_info) = user_info {
        // A query with an "@" in it that cannot be read: what looks like a user's name would be its
        // parameters, the password among them.
        let user = user_info.split(':').next().unwrap_or_default();
        if user.contains('?') {
            return Err(not_a_query());
        }
        uri::push_user_info(raw, user_info, &|text, what| decode(text, what))?;
    }
    let (hosts, path) = rest.split_at(uri::end_of_hosts(rest));
    if path.contains('?') {
        return Err(not_a_query());
    }
    let (hosts, ports) = uri::cut_hosts(hosts)?;
    uri::push_unless_empty(raw, "host", decode(&hosts, "host")?);
    uri::push_unless_empty(raw, "port", decode(&ports, "port")?);
    uri::push_unless_empty(
        raw,
        "dbname",
        decode(path.strip_prefix('/').unwrap_or(path), "database name")?,
    );
    let quotable = uri::is_only_query(query, user_info, &ports);
    for item in query.split('&').filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        let blank = |text: &str| {
            if decoding.plus_is_blank {
                text.replace('+', " ")
            } else {
                text.to_owned()
            }
        };
        let name = decode(&blank(name), "name of a query parameter")?;
        let value = decode(&blank(value), "value of a query parameter")?;
        raw.push_query(name, Secret::new(value), quotable);
    }
    Ok(())
}

fn not_a_query() -> EndpointError {
    EndpointError::syntax(
        FORM,
        "what follows the \"?\" is not name=value joined by \"&\"",
        SHAPE,
    )
}

/// Cuts off the query: what follows the first `?` after which all is `name=value` joined by `&`.
fn cut_query(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('?') {
        let (rest, query) = (&text[..at], &text[at + 1..]);
        // With the only "@" behind it the "?" is either inside a password or in front of a value.
        let inside_password =
            !rest.contains('@') && query.contains('@') && !starts_with_known_name(query);
        if is_query(query) && !inside_password {
            return (rest, query);
        }
    }
    (text, "")
}

fn is_query(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-[]%+".contains(c))
    };
    text.is_empty()
        || text.split('&').all(|item| {
            item.is_empty() || item.split_once('=').is_some_and(|(name, _)| is_name(name))
        })
}

fn starts_with_known_name(query: &str) -> bool {
    let name = query.split('=').next().unwrap_or_default();
    known::is_keyword(name) || foreign::is_known(name)
}

/// Decodes `%` escapes; a `%` that begins none stands for itself, as in Python's readers.
pub(super) fn decode(text: &str, what: &str) -> Result<String, EndpointError> {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    if bytes.contains(&0) {
        return Err(EndpointError::syntax(
            FORM,
            format!("the {what} has the forbidden value %00"),
            "",
        ));
    }
    String::from_utf8(bytes).map_err(|_| {
        EndpointError::syntax(
            FORM,
            format!("the {what} is not UTF-8 after decoding"),
            "encode the UTF-8 bytes",
        )
    })
}

/// SQLAlchemy writes several hosts as repeated `host=h:p`; they replace the one before the path.
fn gather_hosts(raw: &mut Raw) {
    let in_query = |pair: &&Pair| pair.name == "host" && pair.in_query;
    let given: Vec<String> = raw
        .pairs
        .iter()
        .filter(in_query)
        .map(|pair| pair.value.expose().clone())
        .collect();
    let list = given.join(",");
    if given.len() < 2 && !list.split(',').any(has_port) {
        return;
    }
    let (hosts, ports) = split_ports(&list);
    raw.pairs.retain(|pair| pair.name != "host");
    raw.push("host", hosts);
    if !ports.chars().all(|c| c == ',') {
        raw.pairs.retain(|pair| pair.name != "port");
        raw.push("port", ports);
    }
    raw.notice(
        "repeated and host:port values of parameter \"host\" were joined into one list of hosts",
    );
}

/// Splits `h1:1,h2` into the lists `h1,h2` and `1,`.
pub(super) fn split_ports(list: &str) -> (String, String) {
    let split = |host: &str| {
        let (host, port) = host
            .rsplit_once(':')
            .filter(|_| has_port(host))
            .unwrap_or((host, ""));
        (host.trim_matches(['[', ']']).to_owned(), port.to_owned())
    };
    let (hosts, ports): (Vec<String>, Vec<String>) = list.split(',').map(split).unzip();
    (hosts.join(","), ports.join(","))
}

/// Whether a host carries a port; a bare IPv6 address or a socket directory does not.
pub(super) fn has_port(host: &str) -> bool {
    !host.starts_with(['/', '@']) && (host.matches(':').count() == 1 || host.contains("]:"))
}
