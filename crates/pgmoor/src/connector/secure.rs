//! TLS on a fresh socket, by request or directly.

use std::io;
use std::sync::Arc;

use pgmoor_wire::startup;

use super::error::ConnectError;
use super::site::Site;
use super::stage::Stage;
use crate::endpoint::{Host, SslMode, SslNegotiation, Verification};
use crate::stream::Stream;
use crate::tls::{ALPN, ClientTls, Setup};

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    Plain,
    /// TLS after an SSLRequest.
    Requested,
    /// TLS from the first byte.
    Direct,
}

/// What an `sslmode` tries, in this order, until one works. Sockets of this host have no TLS.
pub(super) fn methods(
    mode: SslMode,
    negotiation: SslNegotiation,
    is_socket: bool,
) -> &'static [Encryption] {
    use Encryption::{Direct, Plain, Requested};
    if is_socket {
        return &[Plain];
    }
    match (mode, negotiation) {
        (SslMode::Disable, _) => &[Plain],
        (SslMode::Allow, _) => &[Plain, Requested],
        (SslMode::Prefer, _) => &[Requested, Plain],
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, negotiation) => {
            match negotiation {
                SslNegotiation::Postgres => &[Requested],
                SslNegotiation::Direct => &[Direct],
            }
        }
    }
}

/// Whether another method may follow one that failed with this error; `answered` when the server
/// had been given anything of the login.
pub(super) fn lets_next_method_try(mode: SslMode, error: &ConnectError, answered: bool) -> bool {
    match (mode, error) {
        (SslMode::Prefer, ConnectError::TlsErrorAnswer { .. }) => true,
        (SslMode::Prefer, ConnectError::TlsHandshake { .. }) => !answered,
        (SslMode::Prefer, ConnectError::Lost { stage, .. }) => *stage == Stage::Tls,
        // pg_hba.conf may let us in the other way. Once a secret was asked for and given, the
        // matter is decided: it is not repeated over a weaker connection.
        (SslMode::Prefer | SslMode::Allow, ConnectError::Server { source, .. }) => {
            !answered && source.is_login_failure()
        }
        _ => false,
    }
}

/// What protects a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// Anybody can read along.
    None,
    /// TLS with whoever answered.
    Unverified,
    /// TLS with a server that a trusted authority vouches for.
    Verified,
}

/// Brings TLS about, and says what that protects from; on a connection that stays plain, does nothing.
pub(super) async fn secure(
    stream: &mut Stream,
    encryption: Encryption,
    mode: SslMode,
    tls: &ClientTls,
    host: &Host,
    site: &Site,
) -> Result<Protection, ConnectError> {
    if encryption == Encryption::Plain {
        return Ok(Protection::None);
    }
    // Before anything is sent: a wrong file is not the server's fault.
    let setup = tls.setup(host).map_err(|source| ConnectError::TlsSetup {
        server: site.server.clone(),
        source: Arc::new(source),
    })?;
    site.within(Stage::Tls, async {
        if encryption == Encryption::Requested && !request(stream, site).await? {
            return match mode {
                SslMode::Prefer => Ok(Protection::None),
                _ => Err(ConnectError::TlsRefused {
                    server: site.server.clone(),
                    mode: mode.as_str(),
                }),
            };
        }
        let protection = match setup.verification {
            Verification::None => Protection::Unverified,
            Verification::Chain | Verification::ChainAndName => Protection::Verified,
        };
        shake_hands(stream, encryption, setup, site).await?;
        Ok(protection)
    })
    .await
}

/// Asks for TLS, and tells whether the server agrees.
async fn request(stream: &mut Stream, site: &Site) -> Result<bool, ConnectError> {
    let mut message = Vec::new();
    startup::write_ssl_request(&mut message);
    let lost = |error: io::Error| site.lost(Stage::Tls, error);
    stream.write_all(&message).await.map_err(lost)?;
    // Room for more than the one byte that may come: whatever follows it was put there by
    // somebody who is not protected by TLS yet (CVE-2021-23222).
    let mut answer = [0; 64];
    let count = stream.read_some(&mut answer).await.map_err(lost)?;
    match answer[..count] {
        [] => Err(site.closed(Stage::Tls)),
        [b'S'] => Ok(true),
        [b'N'] => Ok(false),
        [b'S' | b'N', ..] => Err(ConnectError::BytesBeforeTls {
            server: site.server.clone(),
        }),
        // Its text is not even looked at: anybody may have written it (CVE-2024-10977).
        [b'E', ..] => Err(ConnectError::TlsErrorAnswer {
            server: site.server.clone(),
        }),
        [other, ..] => Err(site.protocol(
            Stage::Tls,
            format!("the request for TLS was answered with byte 0x{other:02x}"),
        )),
    }
}

async fn shake_hands(
    stream: &mut Stream,
    encryption: Encryption,
    setup: Setup,
    site: &Site,
) -> Result<(), ConnectError> {
    let server = || site.server.clone();
    stream
        .connect_tls(setup.config.clone(), setup.name.clone())
        .await
        .map_err(|source| ConnectError::TlsHandshake {
            server: server(),
            source: Arc::new(source),
        })?;
    let agreed = stream.tls().and_then(|tls| tls.alpn.as_deref());
    if encryption == Encryption::Direct && agreed != Some(ALPN) {
        return Err(ConnectError::NoAlpn { server: server() });
    }
    if setup.misses_certificate_request() {
        return Err(ConnectError::CertificateNotAsked { server: server() });
    }
    Ok(())
}
