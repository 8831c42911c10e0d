//! Which requests go through a proxy, as curl reads the environment; metadata services never do.

use std::fmt;
use std::net::IpAddr;

use ::http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::dial::Target;
use super::error::Reason;

/// Names by which clouds know their metadata services: no proxy can answer for this machine.
const METADATA_NAMES: &[&str] = &["metadata", "metadata.google.internal", "localhost"];

/// The proxies to public services.
pub struct Proxies(Option<Matcher>);

/// A proxy that one request goes through.
pub(super) struct Proxy(Intercept);

impl Proxies {
    /// Straight to everybody.
    pub fn none() -> Self {
        Self(None)
    }

    /// Those of `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, but for what `NO_PROXY` names; the
    /// names may be written in lower case.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| {
            let found = get(name).filter(|value| !value.is_empty());
            found
                .or_else(|| get(&name.to_ascii_lowercase()))
                .unwrap_or_default()
        };
        let matcher = Matcher::builder()
            .all(value("ALL_PROXY"))
            .http(value("HTTP_PROXY"))
            .https(value("HTTPS_PROXY"))
            .no(value("NO_PROXY"));
        Self(Some(matcher.build()))
    }

    /// The proxy for an address, if it goes through one.
    pub(super) fn for_uri(&self, uri: &Uri, target: &Target) -> Option<Proxy> {
        if is_of_this_machine(&target.host) {
            return None;
        }
        self.0.as_ref()?.intercept(uri).map(Proxy)
    }
}

impl Proxy {
    pub(super) fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// How it is reached.
    pub(super) fn target(&self) -> Result<Target, Reason> {
        let scheme = self.uri().scheme_str().unwrap_or_default();
        match scheme {
            "http" | "https" => Target::of(self.uri()),
            _ => Err(Reason::ProxyScheme {
                proxy: self.place(),
                scheme: scheme.to_owned(),
            }),
        }
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
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let uri: Uri = uri.parse().expect("address");
        let target = Target::of(&uri).expect("target");
        let proxy = Proxies::from_environment(get).for_uri(&uri, &target)?;
        Some(proxy.uri().authority().expect("authority").to_string())
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
}
