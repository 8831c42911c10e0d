//! From the lists `host`, `hostaddr` and `port` to servers.

use std::net::IpAddr;

use super::error::{EndpointError, shown};
use super::host::{DEFAULT_PORT, DEFAULT_SOCKET_DIRECTORY, Host, Target};
use super::notice::Notice;
use super::resolve::Given;

/// Pairs the three lists up; an empty item takes the default.
pub(super) fn hosts(
    given: Given<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Host>, EndpointError> {
    let list = |name| {
        given
            .text(name)
            .map(|text| text.split(',').map(str::trim).collect::<Vec<_>>())
    };
    let names = list("host");
    let addresses = list("hostaddr");
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        return Err(counts(
            "host",
            names.len(),
            "hostaddr",
            addresses.len(),
            "give one address for each host",
        ));
    }
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    let ports = ports(given, count)?;
    let item = |list: &Option<Vec<&str>>, index: usize| -> Option<String> {
        list.as_ref()
            .and_then(|list| list.get(index))
            .filter(|item| !item.is_empty())
            .map(|item| (*item).to_owned())
    };
    let mut hosts = Vec::with_capacity(count);
    for (index, port) in ports.into_iter().enumerate() {
        let address = item(&addresses, index)
            .map(|text| address(given, &text))
            .transpose()?;
        let target = match (item(&names, index), address) {
            (Some(name), None) if name.starts_with(['/', '@']) => Target::Socket(name.into()),
            (Some(name), address) => Target::Name {
                name: checked_name(given, name)?,
                address,
            },
            (None, Some(address)) => Target::Address(address),
            (None, None) => {
                notices.push(Notice::new(format!(
                    "no host is given: the socket in {DEFAULT_SOCKET_DIRECTORY} is used"
                )));
                Target::Socket(DEFAULT_SOCKET_DIRECTORY.into())
            }
        };
        hosts.push(Host { target, port });
    }
    Ok(hosts)
}

fn ports(given: Given<'_>, count: usize) -> Result<Vec<u16>, EndpointError> {
    let Some(text) = given.text("port") else {
        return Ok(vec![DEFAULT_PORT; count]);
    };
    let mut ports = text
        .split(',')
        .map(|item| port(given, item.trim()))
        .collect::<Result<Vec<_>, _>>()?;
    if ports.len() == 1 {
        ports.resize(count, ports[0]);
    }
    if ports.len() != count {
        return Err(counts(
            "host",
            count,
            "port",
            ports.len(),
            "give one port for all hosts, or one for each",
        ));
    }
    Ok(ports)
}

fn port(given: Given<'_>, text: &str) -> Result<u16, EndpointError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    if let Some(port) = text.parse().ok().filter(|port| *port != 0) {
        return Ok(port);
    }
    let name = given.name("port");
    if !given.0.port_quotable {
        // Without "@" in the address this may be a password: `postgres://user:password`.
        return Err(EndpointError::value_hint(
            name,
            "must be a number from 1 to 65535",
            "if a user and password stand before the host, end them with \"@\"; write \"/\" in a password as %2F",
        ));
    }
    let problem = format!("must be a number from 1 to 65535, not {}", shown(text));
    Err(EndpointError::value_hint(
        name,
        problem,
        "write the address as host:port",
    ))
}

fn address(given: Given<'_>, text: &str) -> Result<IpAddr, EndpointError> {
    text.parse().map_err(|_| {
        let problem = format!("must be an IP address, not {}", shown(text));
        EndpointError::value_hint(
            given.name("hostaddr"),
            problem,
            "write names and addresses with a zone as host",
        )
    })
}

fn checked_name(given: Given<'_>, name: String) -> Result<String, EndpointError> {
    if name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '/')) {
        return Err(EndpointError::value_hint(
            given.name("host"),
            "has a character that no host name has",
            "write the address as user:password@host:port, with \"@\" in a password as %40 and \"/\" as %2F",
        ));
    }
    Ok(name)
}

fn counts(one: &str, ones: usize, other: &str, others: usize, hint: &str) -> EndpointError {
    EndpointError::Conflict {
        problem: format!(
            "the list \"{one}\" has {ones} and the list \"{other}\" has {others} entries"
        ),
        hint: hint.to_owned(),
    }
}
