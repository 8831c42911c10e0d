//! Parameters as a connection string of pgmoor.yaml.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::system::meaning::Parameters;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const IN_QUERY: &AsciiSet = &ENCODED.remove(b'/').remove(b':').remove(b',');

/// The connection string: a URI, or keywords and values where a variable is in it, since what a variable
/// holds is not encoded.
pub(in crate::system) fn url(parameters: &Parameters) -> String {
    let has_variable = |text: &str| text.replace("$${", "").contains("${");
    let is_odd = |name: &str| matches!(name, "hostaddr");
    let keywords = parameters
        .0
        .iter()
        .any(|(name, told)| has_variable(&told.value) || is_odd(name));
    if keywords {
        as_keywords(parameters)
    } else {
        as_uri(parameters)
    }
}

fn as_keywords(parameters: &Parameters) -> String {
    let first = ["host", "hostaddr", "port", "user", "dbname"];
    let leading = first
        .iter()
        .filter_map(|name| Some((*name, parameters.get(name)?)));
    let others = parameters
        .0
        .iter()
        .filter(|(name, _)| !first.contains(&name.as_str()))
        .map(|(name, told)| (name.as_str(), told.value.as_str()));
    let words: Vec<String> = leading
        .chain(others)
        .map(|(name, value)| format!("{name}={}", keyword_value(value)))
        .collect();
    words.join(" ")
}

fn keyword_value(value: &str) -> String {
    let is_plain = !value.is_empty()
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-._~/:,@+*".contains(letter));
    if is_plain {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn as_uri(parameters: &Parameters) -> String {
    let mut text = "postgres://".to_owned();
    if let Some(user) = parameters.get("user") {
        text.push_str(&encoded(user, ENCODED));
        text.push('@');
    }
    let host = parameters.get("host").unwrap_or_default();
    let ports: Vec<&str> = parameters
        .get("port")
        .map(|ports| ports.split(',').collect())
        .unwrap_or_default();
    // One port is for all hosts.
    let port = |index: usize| match ports.as_slice() {
        [only] => Some(*only),
        ports => ports.get(index).copied(),
    };
    for (index, host) in host.split(',').enumerate() {
        if index > 0 {
            text.push(',');
        }
        if host.contains(':') && !host.starts_with('/') {
            let _ = write!(text, "[{}]", host.replace('%', "%25"));
        } else {
            text.push_str(&encoded(host, ENCODED));
        }
        if let Some(port) = port(index).filter(|port| !port.is_empty()) {
            let _ = write!(text, ":{}", encoded(port, ENCODED));
        }
    }
    if let Some(dbname) = parameters.get("dbname") {
        text.push('/');
        text.push_str(&encoded(dbname, ENCODED));
    }
    let mut mark = '?';
    // TLS first, as people look for it.
    let others = |tls: bool| {
        parameters
            .0
            .iter()
            .filter(move |(name, _)| name.starts_with("ssl") == tls)
    };
    for (name, told) in others(true).chain(others(false)) {
        if matches!(name.as_str(), "user" | "host" | "port" | "dbname") {
            continue;
        }
        let _ = write!(
            text,
            "{mark}{}={}",
            encoded(name, IN_QUERY),
            encoded(&told.value, IN_QUERY)
        );
        mark = '&';
    }
    text
}

/// Encoded, but for the mark of a literal `${`, which the configuration takes off first.
fn encoded(text: &str, set: &'static AsciiSet) -> String {
    let parts: Vec<String> = text
        .split("$${")
        .map(|part| utf8_percent_encode(part, set).to_string())
        .collect();
    parts.join("$${")
}
