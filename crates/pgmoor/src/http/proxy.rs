//! Which requests go through a proxy, as curl reads the environment; metadata services never do.

use std::fmt;
use std::net::IpAddr;

use ::http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::dial::Target;
use super::error::Reason;

/// Names by which clouds know their metadata services: no proxy can answer for this machine.
const METADATA_NAMES: &[&str] = &["metadata", "metadata.google.internal", "localhost"];

/// Stands for a proxy that cannot be used, where it is to be found out which requests would go through it.
const UNUSABLE: &str = "http://unusable.invalid";

/// The proxies to public services.
pub struct Proxies(Option<Named>);

/// Proxies that the environment names.
struct Named {
    matcher: Matcher,
    /// What is wrong with that for requests by `http`, and with that for `https`.
    http: Option<Flaw>,
    https: Option<Flaw>,
}

/// Why the proxy that a variable names cannot be used.
#[derive(Clone)]
struct Flaw {
    variable: String,
    why: String,
}

/// A proxy that one request goes through.
pub(super) struct Proxy(Intercept);

impl Proxies {
    /// Straight to everybody.
    pub fn none() -> Self {
        Self(None)
    }

    /// Those of `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, but for what `NO_PROXY` names; the
    /// names may be written in lower case. One that cannot be used is an error of whatever would go through it.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let find = |name: &str| {
            let names = [name.to_owned(), name.to_ascii_lowercase()];
            let mut all = names.into_iter();
            all.find_map(|name| {
                let value = get(&name).filter(|value| !value.trim().is_empty())?;
                Some((name, value.trim().to_owned()))
            })
        };
        let judged = |name: &str| match find(name) {
            None => (String::new(), None),
            Some((variable, value)) => match flaw(&value) {
                None => (value, None),
                Some(why) => (UNUSABLE.to_owned(), Some(Flaw { variable, why })),
            },
        };
        let (all, all_flaw) = judged("ALL_PROXY");
        let of = |name: &str| match judged(name) {
            (value, flaw) if value.is_empty() => (value, flaw.or(all_flaw.clone())),
            found => found,
        };
        let ((http, http_flaw), (https, https_flaw)) = (of("HTTP_PROXY"), of("HTTPS_PROXY"));
        let except = find("NO_PROXY").map_or(String::new(), |(_, value)| value);
        let matcher = Matcher::builder().all(all).http(http).https(https);
        Self(Some(Named {
            matcher: matcher.no(except).build(),
            http: http_flaw,
            https: https_flaw,
        }))
    }

    /// The proxy for an address, if it goes through one.
    pub(super) fn for_uri(&self, uri: &Uri, target: &Target) -> Result<Option<Proxy>, Reason> {
        let Some(named) = self
            .0
            .as_ref()
            .filter(|_| !is_of_this_machine(&target.host))
        else {
            return Ok(None);
        };
        let Some(proxy) = named.matcher.intercept(uri) else {
            return Ok(None);
        };
        let flaw = if target.tls {
            &named.https
        } else {
            &named.http
        };
        match flaw {
            Some(Flaw { variable, why }) => Err(Reason::ProxyVariable {
                variable: variable.clone(),
                why: why.clone(),
            }),
            None => Ok(Some(Proxy(proxy))),
        }
    }
}

/// Why the value of a variable names no proxy that is known here. Nothing of it is repeated that could be a password.
fn flaw(value: &str) -> Option<String> {
    let uri: Option<Uri> = value.parse().ok();
    let Some(uri) = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty())) else {
        return Some("is no address of a proxy".to_owned());
    };
    match uri.scheme_str() {
        // As curl does: without a scheme it is http.
        None | Some("http" | "https") => None,
        Some(scheme) => {
            let port = uri.port().map(|port| format!(":{port}"));
            Some(format!(
                "names {}{}, which speaks {scheme}, and only http and https are known here",
                uri.host().unwrap_or_default(),
                port.unwrap_or_default()
            ))
        }
    }
}

impl Proxy {
    pub(super) fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// How it is reached.
    pub(super) fn target(&self) -> Result<Target, Reason> {
        Target::of(self.uri())
    }

    /// Host and port, without the login.
    pub(super) fn place(&self) -> String {
        let Some(authority) = self.uri().authority() else {
            return String::new();
        };
        match authority.port_u16() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        }
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's address may hold its password.
        let what = if self.0.is_some() {
            "environment"
        } else {
            "none"
        };
        f.debug_tuple("Proxies").field(&what).finish()
    }
}

/// Whether a host means this machine or the link it is on, where metadata services are.
pub(crate) fn is_of_this_machine(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            // fd00:ec2::/32 is where EC2 has its services.
            let ec2 = address.segments()[..2] == [0xfd00, 0x0ec2];
            address.is_loopback() || address.is_unicast_link_local() || ec2
        }
        Err(_) => METADATA_NAMES.contains(&host.to_ascii_lowercase().as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_through(uri: &str, variables: &[(&str, &str)]) -> Option<String> {
        through(uri, variables).expect("the proxy can be used")
    }

    fn through(uri: &str, variables: &[(&str, &str)]) -> Result<Option<String>, Reason> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let uri: Uri = uri.parse().expect("address");
        let target = Target::of(&uri).expect("target");
        let proxy = Proxies::from_environment(get).for_uri(&uri, &target)?;
        Ok(proxy.map(|proxy| proxy.uri().authority().expect("authority").to_string()))
    }

    #[test]
    fn public_services_are_reached_through_the_proxy_unless_they_are_excepted() {
        let variables = [
            ("https_proxy", "http://p:3128"),
            ("NO_PROXY", "sts.internal"),
        ];
        let through = |uri| goes_through(uri, &variables);
        assert_eq!(
            through("https://sts.amazonaws.com/").as_deref(),
            Some("p:3128")
        );
        assert_eq!(through("https://sts.internal/"), None);
        assert_eq!(through("http://sts.amazonaws.com/"), None);
    }

    #[test]
    fn metadata_services_are_never_asked_through_a_proxy() {
        let variables = [("ALL_PROXY", "http://p:3128")];
        for uri in [
            "http://169.254.169.254/latest",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest",
            "http://127.0.0.1:8080/",
            "http://metadata.google.internal/computeMetadata/v1",
            "https://localhost/",
        ] {
            assert_eq!(goes_through(uri, &variables), None, "{uri}");
        }
        let public = goes_through("http://other.example/", &variables);
        assert_eq!(public.as_deref(), Some("p:3128"));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_of_what_would_go_through_it_and_of_nothing_else() {
        let sts = "https://sts.amazonaws.com/";
        for (variables, told) in [
            (
                [("HTTPS_PROXY", "socks5h://u:geheim@p:1080")],
                "HTTPS_PROXY names p:1080, which speaks socks5h, and only http and https are known here",
            ),
            (
                [("https_proxy", "ftp://p")],
                "https_proxy names p, which speaks ftp, and only http and https are known here",
            ),
            (
                [("ALL_PROXY", "quic://[::1]:3128")],
                "ALL_PROXY names [::1]:3128, which speaks quic, and only http and https are known here",
            ),
            (
                [("HTTPS_PROXY", "http://u:ge heim@p:3128")],
                "HTTPS_PROXY is no address of a proxy",
            ),
            (
                [("HTTPS_PROXY", "/geheim")],
                "HTTPS_PROXY is no address of a proxy",
            ),
        ] {
            let error = through(sts, &variables).expect_err("not passed by");
            assert_eq!(error.to_string(), told);
            assert!(through("http://169.254.169.254/", &variables).is_ok());
        }

        let mixed = [
            ("HTTPS_PROXY", "socks5://p"),
            ("HTTP_PROXY", "p:3128"),
            ("ALL_PROXY", "http://other:1"),
            ("NO_PROXY", "sts.internal"),
        ];
        assert!(through(sts, &mixed).is_err());
        assert_eq!(through("https://sts.internal/", &mixed).ok(), Some(None));
        let plain = goes_through("http://sts.amazonaws.com/", &mixed);
        assert_eq!(plain.as_deref(), Some("p:3128"));
        let own = [
            ("HTTPS_PROXY", "http://p:3128"),
            ("ALL_PROXY", "socks5://p"),
        ];
        assert_eq!(goes_through(sts, &own).as_deref(), Some("p:3128"));
    }
}
