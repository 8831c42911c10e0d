//! TLS towards a server that was described to us by somebody we trust: its authority, and its names.

use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, RootCertStore, version};
use rustls_pki_types::{CertificateDer, ServerName};

use super::provider;
use super::verify::{Authorities, Described, Trust, Verifier};

/// A server, and what it is shown.
pub(crate) struct KnownServer<'a> {
    /// Who signs its certificate; nobody else is trusted.
    pub(crate) authorities: &'a [CertificateDer<'static>],
    /// A name that its certificate may carry.
    pub(crate) dns_name: Option<&'a str>,
    /// What its certificate is called, where it does not carry that name.
    pub(crate) common_name: &'a str,
    /// What it is shown.
    pub(crate) certificate: Arc<CertifiedKey>,
}

/// TLS 1.3 towards that server, and nothing older.
pub(crate) fn towards(server: KnownServer<'_>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    for authority in server.authorities {
        roots.add(authority.clone())?;
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    let authorities = Authorities {
        webpki,
        certificates: server.authorities.to_vec(),
    };
    let described = Described {
        dns_name: server
            .dns_name
            .and_then(|name| ServerName::try_from(name.to_owned()).ok()),
        common_name: server.common_name.to_owned(),
    };
    let algorithms = provider().signature_verification_algorithms;
    let trust = Trust::ChainAndDescription(authorities, described);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { trust, algorithms }))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(server.certificate)));
    config.resumption = Resumption::disabled();
    Ok(config)
}
