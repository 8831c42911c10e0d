//! TLS as a test's client or server speaks it, from certificates that a [`Ca`] has issued.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::ca::{Ca, Certificate};

/// The protocol name that PostgreSQL demands for TLS without a request before it.
pub const POSTGRESQL_ALPN: &[u8] = b"postgresql";

/// A client that trusts `ca` alone, names PostgreSQL by ALPN, and shows `identity` if asked.
pub fn client_config(ca: &Ca, identity: Option<&Certificate>) -> Arc<ClientConfig> {
    client_config_trusting(&[ca], identity)
}

/// A client that trusts each of `authorities`, and else does what [`client_config`] says.
pub fn client_config_trusting(
    authorities: &[&Ca],
    identity: Option<&Certificate>,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(Arc::new(roots(authorities)));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.key())
            .expect("key and certificate belong together"),
    };
    config.alpn_protocols = vec![POSTGRESQL_ALPN.to_vec()];
    Arc::new(config)
}

/// A server that shows `identity`, and demands client certificates of `client_ca` if there is one.
pub fn server_config(identity: &Certificate, client_ca: Option<&Ca>) -> Arc<ServerConfig> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3");
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&[ca])), provider)
                .build()
                .expect("the authority is one"),
        ),
    };
    let mut config = builder
        .with_single_cert(identity.chain(), identity.key())
        .expect("key and certificate belong together");
    config.alpn_protocols = vec![POSTGRESQL_ALPN.to_vec()];
    Arc::new(config)
}

fn roots(authorities: &[&Ca]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for ca in authorities {
        roots
            .add(ca.root_der().clone())
            .expect("the root is a certificate");
    }
    roots
}
