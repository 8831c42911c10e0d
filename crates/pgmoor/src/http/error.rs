//! Why there is no answer. Neither headers, nor bodies, nor the query of an address are in it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, Uri};

use crate::error::ErrorKind;

/// Why a request has no whole answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {target}")]
pub struct HttpError {
    target: String,
    #[source]
    reason: Reason,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Reason {
    #[error("the address {0}")]
    Address(&'static str),
    #[error("cannot resolve host \"{host}\"")]
    Resolve { host: String, source: Shared },
    #[error("cannot connect to {place}")]
    Connect { place: String, source: Shared },
    #[error("proxy {proxy} refused to connect: {status}")]
    Proxy { proxy: String, status: u16 },
    #[error("cannot read the trusted certificate authorities: {0}")]
    Trust(String),
    #[error("{variable} {why}")]
    ProxyVariable { variable: String, why: String },
    #[error("TLS with {place} failed")]
    Tls { place: String, source: Shared },
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    #[error("the exchange broke off")]
    Exchange(#[source] Shared),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// A cause that several errors may share.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<dyn StdError + Send + Sync>);

impl Shared {
    pub(super) fn new(source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl Reason {
    pub(super) fn exchange(source: hyper::Error) -> Self {
        Self::Exchange(Shared::new(source))
    }

    pub(super) fn body(source: Box<dyn StdError + Send + Sync>, limit: usize) -> Self {
        match source.downcast::<hyper::Error>() {
            Ok(error) => Self::exchange(*error),
            // The only other error is that of the limit.
            Err(_) => Self::TooLong(limit),
        }
    }
}

impl HttpError {
    pub(super) fn new(target: String, reason: Reason) -> Self {
        Self { target, reason }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match &self.reason {
            Reason::Address(_) | Reason::Trust(_) | Reason::ProxyVariable { .. } => {
                ErrorKind::Configuration
            }
            Reason::Resolve { .. } => ErrorKind::Dns,
            Reason::Connect { .. } | Reason::Proxy { .. } => ErrorKind::Network,
            Reason::Tls { .. } => ErrorKind::Tls,
            Reason::Timeout(_) => ErrorKind::Timeout,
            Reason::Exchange(_) => ErrorKind::Network,
            Reason::TooLong(_) => ErrorKind::Protocol,
        }
    }

    /// Whether nobody was reached at all: no address, nobody listens, or silence.
    pub fn is_unreached(&self) -> bool {
        match &self.reason {
            Reason::Resolve { .. } | Reason::Connect { .. } | Reason::Timeout(_) => true,
            Reason::Address(_) | Reason::Trust(_) | Reason::Proxy { .. } => false,
            Reason::ProxyVariable { .. } | Reason::Tls { .. } => false,
            Reason::Exchange(_) | Reason::TooLong(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.reason {
            Reason::Address(_) => {
                Some("write http://HOST or https://HOST, without user and password")
            }
            Reason::Resolve { .. } => {
                Some("check the spelling of the host, and the DNS of this network")
            }
            Reason::Connect { .. } | Reason::Timeout(_) => Some(
                "check that this host may reach that address (network policy, firewall, HTTPS_PROXY)",
            ),
            Reason::Proxy { .. } => Some("have the proxy allow that host, or name it in NO_PROXY"),
            Reason::ProxyVariable { .. } => {
                Some("name a proxy that speaks HTTP in HTTPS_PROXY, or the host in NO_PROXY")
            }
            Reason::Trust(_) => {
                Some("install the package ca-certificates, or correct SSL_CERT_FILE")
            }
            Reason::Tls { .. } => {
                Some("if a proxy in between ends TLS, name its authority's file in SSL_CERT_FILE")
            }
            Reason::Exchange(_) | Reason::TooLong(_) => None,
        }
    }
}

/// Method and address of a request, without its query.
pub(super) fn target(method: &Method, uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{method} {scheme}://{host}{port}{}", uri.path())
}
