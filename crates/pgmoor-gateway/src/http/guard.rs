//! Who may ask for what: the Host header and the token.

use std::net::{IpAddr, SocketAddr};

use pgmoor::Secret;
use subtle::ConstantTimeEq;

/// Whether a `Host` header is one that this address is known by.
///
/// A page of another site can make a browser resolve its own name to 127.0.0.1 and read what is
/// there. Such a request still names the other site, so on a loopback address only names of this
/// machine are taken. Elsewhere names are whatever the network calls us.
pub(super) fn is_known_host(bound: SocketAddr, host: Option<&str>) -> bool {
    if !bound.ip().is_loopback() {
        return true;
    }
    let Some(host) = host else {
        // HTTP/1.0 has none, and no browser speaks it.
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether an `Authorization` header carries the token. Takes as long for any wrong one.
pub(super) fn is_authorized(token: &Secret<String>, authorization: Option<&str>) -> bool {
    let given = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, given)| given.trim());
    let token = token.expose();
    !token.is_empty() && bool::from(token.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_loopback_address_answers_to_names_of_this_machine_only() {
        let here = bound("127.0.0.1:6433");
        for host in [
            "127.0.0.1:6433",
            "localhost",
            "LOCALHOST:80",
            "127.8.8.8",
            "[::1]:6433",
        ] {
            assert!(is_known_host(here, Some(host)), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:6433",
            "localhost.evil.example",
            "127.0.0.1.evil.example:6433",
            "10.0.0.1",
            "",
            "localhost:x",
        ] {
            assert!(!is_known_host(here, Some(host)), "{host}");
        }
        assert!(is_known_host(
            bound("0.0.0.0:6433"),
            Some("gateway.prod:6433")
        ));
    }

    #[test]
    fn only_the_whole_token_is_taken() {
        let token = Secret::new("s3cret-token".to_owned());

        assert!(is_authorized(&token, Some("Bearer s3cret-token")));
        assert!(is_authorized(&token, Some("bearer s3cret-token")));
        for wrong in [
            "s3cret-token",
            "Basic s3cret-token",
            "Bearer s3cret-toke",
            "Bearer ",
            "",
        ] {
            assert!(!is_authorized(&token, Some(wrong)), "{wrong}");
        }
        assert!(!is_authorized(&token, None));
        assert!(!is_authorized(&Secret::new(String::new()), Some("Bearer ")));
    }
}
