//! TLS for both sides: what is trusted, what is shown, and how channels are bound.
//!
//! It opens no socket; that is the work of [`crate::stream`] and the connector.

mod end_point;
mod info;

pub use end_point::server_end_point;
pub use info::TlsInfo;

/// The name that PostgreSQL gives its protocol in TLS application-layer negotiation (ALPN).
pub const ALPN: &[u8] = b"postgresql";
