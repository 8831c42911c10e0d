//! What a finished TLS handshake agreed on.

use std::sync::Arc;

use rustls::{Connection, HandshakeKind, ProtocolVersion};

use super::server_end_point;

/// What a finished TLS handshake agreed on.
#[derive(Debug, Clone)]
pub struct TlsInfo {
    /// Protocol version in PostgreSQL's spelling: `TLSv1.3`.
    pub version: &'static str,
    /// Name of the cipher suite.
    pub cipher: String,
    /// The other side's certificates (DER), its own first; empty when it showed none.
    pub peer_certificates: Vec<Vec<u8>>,
    /// What SCRAM-SHA-256-PLUS binds to; `None` when the server's certificate has no digest.
    pub server_end_point: Option<Arc<[u8]>>,
    /// The application protocol both sides agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The name the client asked for (server side only).
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

impl TlsInfo {
    /// Reads a connection whose handshake is over; `own_end_point` is the hash of our own
    /// certificate where we are the server.
    pub(crate) fn of(connection: &Connection, own_end_point: Option<Arc<[u8]>>) -> Self {
        let peer_certificates: Vec<Vec<u8>> = connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| certificate.as_ref().to_vec())
            .collect();
        let (server_end_point, server_name) = match connection {
            Connection::Client(_) => (
                peer_certificates
                    .first()
                    .and_then(|certificate| server_end_point(certificate))
                    .map(Arc::from),
                None,
            ),
            Connection::Server(server) => (own_end_point, server.server_name().map(str::to_owned)),
        };
        Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown")
                .to_owned(),
            peer_certificates,
            server_end_point,
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}
