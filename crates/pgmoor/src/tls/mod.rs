//! TLS for both sides: what is trusted, what is shown, and how channels are bound.
//!
//! It opens no socket; that is the work of [`crate::stream`] and [`crate::connector`].

mod client;
mod end_point;
mod error;
mod info;
mod name;
mod pem;
mod server;
mod subject;
#[cfg(test)]
mod tests;
mod verify;

#[cfg(feature = "google")]
mod known;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use client::{ClientTls, Setup};
pub use end_point::server_end_point;
pub use error::TlsError;
pub use info::TlsInfo;
#[cfg(feature = "google")]
pub(crate) use known::{KnownServer, towards};
pub use server::{Acceptor, ClientCertificate, ServerTls, ServerTlsSettings};
pub use subject::{common_name, not_after};

/// The name that PostgreSQL gives its protocol in TLS application-layer negotiation (ALPN).
pub const ALPN: &[u8] = b"postgresql";

/// The one implementation of cryptography, chosen here and nowhere by a process-wide default.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}
